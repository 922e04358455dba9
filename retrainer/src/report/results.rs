//! The results of one cache: what tables are made of.

use super::error::ReportError;
use crate::{
    records::{CacheSummary, Run, RunStore},
    select::{Protocol, Selected, select},
};
use std::collections::{BTreeMap, BTreeSet};

/// Methods that a gain is measured against when none is named.
const BASELINES: [&str; 2] = ["stage1", "ce"];

/// Everything selected from the runs of one cache.
#[derive(Clone, Debug)]
pub struct Results {
    /// Where the cache was.
    pub cache: String,
    /// Its key.
    pub cache_key: String,
    /// What is known of it.
    pub summary: Option<CacheSummary>,
    /// How the results were selected.
    pub protocol: Protocol,
    /// The results, of all methods.
    pub selected: Vec<Selected>,
    /// What gains are measured against.
    pub baseline: Baseline,
    /// Methods to show; empty is all.
    pub methods: Vec<String>,
}

/// What gains are measured against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The only result of this method: its position in [`Results::selected`].
    Row(usize),
    /// The method has this many results, and taking the best of them would be choosing by test accuracy.
    Ambiguous {
        /// Name of the method.
        method: String,
        /// Its results.
        rows: usize,
    },
    /// None of the usual baselines has a result.
    Absent,
}

impl Results {
    /// Results of every cache, in order of cache key; `protocol` `None` takes the default of each cache.
    ///
    /// # Errors
    /// [`ReportError::Select`] when the protocol cannot choose, [`ReportError::UnknownMethod`] when no run has the
    /// baseline or a method of the filter.
    pub fn of(
        runs: &[Run],
        protocol: Option<Protocol>,
        baseline: Option<&str>,
        methods: &[String],
    ) -> Result<Vec<Self>, ReportError> {
        let known: BTreeSet<&str> = runs.iter().map(|run| &*run.method).collect();
        for name in methods.iter().map(String::as_str).chain(baseline) {
            if !known.contains(name) {
                let known = known.iter().map(|&name| name.to_owned()).collect();
                return Err(ReportError::UnknownMethod { name: name.to_owned(), known });
            }
        }
        let mut caches: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        for run in runs {
            caches.entry(&run.cache_key).or_default().push(run);
        }
        let results = caches.into_iter().map(|(cache_key, runs)| {
            let protocol = protocol.unwrap_or_else(|| Protocol::default_for(&runs));
            let selected = select(&runs, protocol)?;
            Ok(Self {
                cache: runs.first().map(|run| run.cache.to_string()).unwrap_or_default(),
                cache_key: cache_key.to_owned(),
                summary: None,
                protocol,
                baseline: Baseline::find(&selected, baseline),
                selected,
                methods: methods.to_vec(),
            })
        });
        results.collect()
    }

    /// The same, with what the folder knows of each cache.
    ///
    /// # Errors
    /// As [`Results::of`].
    pub fn of_store(
        store: &RunStore,
        protocol: Option<Protocol>,
        baseline: Option<&str>,
        methods: &[String],
    ) -> Result<Vec<Self>, ReportError> {
        let mut results = Self::of(store.runs(), protocol, baseline, methods)?;
        for result in &mut results {
            result.summary = store.caches().get(&result.cache_key).cloned();
        }
        Ok(results)
    }

    /// `cifar100, imbalance ratio 100, resnet34, stage-1 loss ce`, or where the cache was.
    pub fn cache_name(&self) -> String {
        self.summary.as_ref().map_or_else(|| self.cache.clone(), CacheSummary::name)
    }

    /// `caches/cifar100-lt (0123456789ab), select val`
    pub fn title(&self) -> String {
        let key: String = self.cache_key.chars().take(12).collect();
        format!("{} ({key}), select {}", self.cache_name(), self.protocol)
    }

    /// The results to show: those of the asked methods, best mean first, without any result last.
    pub fn shown(&self) -> Vec<&Selected> {
        let wanted =
            |row: &&Selected| self.methods.is_empty() || self.methods.iter().any(|name| name == row.method());
        let score =
            |row: &Selected| row.summary("top1.all").map_or(f64::NEG_INFINITY, |summary| summary.mean);
        let mut rows: Vec<_> = self.selected.iter().filter(wanted).collect();
        rows.sort_by(|a, b| score(b).total_cmp(&score(a)));
        rows
    }

    /// The baseline's result.
    pub fn baseline(&self) -> Option<&Selected> {
        match self.baseline {
            Baseline::Row(row) => self.selected.get(row),
            Baseline::Ambiguous { .. } | Baseline::Absent => None,
        }
    }
}

impl Baseline {
    fn find(selected: &[Selected], name: Option<&str>) -> Self {
        let names = name.map_or(BASELINES.to_vec(), |name| vec![name]);
        for method in names {
            let mut rows =
                selected.iter().enumerate().filter(|(_, row)| row.method() == method).map(|(row, _)| row);
            match (rows.next(), rows.count()) {
                (Some(row), 0) => return Self::Row(row),
                (Some(_), more) => return Self::Ambiguous { method: method.to_owned(), rows: more + 1 },
                (None, _) => {}
            }
        }
        Self::Absent
    }
}
