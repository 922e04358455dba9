//! The results of one cache: what tables are made of.

use super::{
    error::ReportError,
    evidence::{Evidence, Pair, corrected},
    groups::{ClassGroup, ClassSet, GroupError, GroupRule, names},
    table::Gain,
};
use crate::{
    metrics::TOP1,
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
    /// What tells gains from chance.
    pub evidence: Evidence,
    /// Methods to show; empty is all.
    pub methods: Vec<String>,
    /// Groups of classes by their training samples, where a report asks for others than many, medium and few.
    pub by_size: Option<Vec<ClassGroup>>,
    /// Sets of classes that a report asks for.
    pub sets: Vec<ClassGroup>,
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
                evidence: Evidence::default(),
                methods: methods.to_vec(),
                by_size: None,
                sets: Vec::new(),
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
            let images = result.summary.as_ref().and_then(CacheSummary::test_images);
            result.evidence = Evidence::read(store, &result.selected, images)?;
        }
        Ok(results)
    }

    /// Shows these groups: by size in the place of many, medium and few, and sets of classes beside them.
    ///
    /// # Errors
    /// [`GroupError`] where the classes are not known, or a set names another one.
    pub fn grouped(mut self, rule: Option<&GroupRule>, sets: &[ClassSet]) -> Result<Self, GroupError> {
        if rule.is_none() && sets.is_empty() {
            return Ok(self);
        }
        let unknown = || GroupError::NoClassCounts { cache_key: self.cache_key.clone() };
        let summary = self.summary.as_ref().ok_or_else(unknown)?;
        let by_size = rule.map(|rule| rule.groups(summary.class_counts()));
        let sets = sets.iter().map(|set| set.group(names(summary))).collect::<Result<_, _>>()?;
        (self.by_size, self.sets) = (by_size, sets);
        Ok(self)
    }

    /// `cifar100, imbalance ratio 100, resnet34, stage-1 loss ce`, or where the cache was.
    pub(crate) fn cache_name(&self) -> String {
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
        let score = |row: &Selected| row.summary(TOP1.all).map_or(f64::NEG_INFINITY, |summary| summary.mean);
        let mut rows: Vec<_> = self.selected.iter().filter(wanted).collect();
        rows.sort_by(|a, b| score(b).total_cmp(&score(a)));
        rows
    }

    /// The result that a table of one shows: of those to show the one that validation likes best, else the first.
    pub(super) fn leading(&self) -> Option<&Selected> {
        let by = self.protocol.val_score();
        let shown = self.shown();
        let validated = shown.iter().copied().filter_map(|row| Some((row, row.val()?)));
        let best = validated.reduce(|best, row| if by.gain(row.1, best.1) > 0.0 { row } else { best });
        best.map(|(row, _)| row).or(shown.first().copied())
    }

    /// What each result gains over the baseline, in the order of [`Results::selected`]; `None` of the baseline itself. p-values
    /// are corrected for all results, shown or not.
    pub(super) fn gains(&self) -> Vec<Option<Gain>> {
        let Some(baseline) = self.baseline() else { return vec![None; self.selected.len()] };
        let rows = self.selected.iter().map(|row| (self, row, Some(baseline)));
        gains(&rows.collect::<Vec<_>>())
    }

    /// The baseline's result.
    pub fn baseline(&self) -> Option<&Selected> {
        match self.baseline {
            Baseline::Row(row) => self.selected.get(row),
            Baseline::Ambiguous { .. } | Baseline::Absent => None,
        }
    }
}

/// What results gain over others of their caches, with p-values corrected for all of them; `None` beside itself or nothing.
pub(super) fn gains(rows: &[(&Results, &Selected, Option<&Selected>)]) -> Vec<Option<Gain>> {
    let pair = |&(_, own, other): &(&Results, _, _)| -> Option<Pair<'_>> {
        Some(own).zip(other).filter(|&(own, other): &Pair<'_>| !std::ptr::eq(own, other))
    };
    let pairs: Vec<Option<Pair<'_>>> = rows.iter().map(pair).collect();
    let mut chances = vec![None; rows.len()];
    let mut start = 0;
    // Rows of one cache share the resamples of its images.
    for block in rows.chunk_by(|a, b| std::ptr::eq(a.0, b.0)) {
        let range = start..start + block.len();
        start = range.end;
        let (Some((results, ..)), Some(pairs)) = (block.first(), pairs.get(range.clone())) else { continue };
        let own: Vec<Pair<'_>> = pairs.iter().copied().flatten().collect();
        let mut found = results.evidence.chances(&own).into_iter();
        for (slot, pair) in chances.get_mut(range).unwrap_or_default().iter_mut().zip(pairs) {
            *slot = pair.and_then(|_| found.next());
        }
    }
    let gain = |((pair, chance), corrected): ((Option<Pair<'_>>, _), _)| {
        let (own, other) = pair?;
        let mean = own.summary(TOP1.all)?.mean - other.summary(TOP1.all)?.mean;
        Some(Gain { mean, chance: Option::unwrap_or_default(chance), corrected })
    };
    let corrected = corrected(&chances);
    pairs.into_iter().zip(chances).zip(corrected).map(gain).collect()
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
