//! What figures are made of: the selected results of one cache with the records behind them.

use crate::{
    metrics::PerClass,
    records::{CacheSummary, RecordError, Run, RunRecord, RunStore},
    report::Results,
    select::{Detail, DetailError, Protocol, SeedResult, Selected, last_detail, selected_detail},
};
use cache::{ClassCounts, ClassId, Shot};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Methods that figures with room for few compare, where there are runs of them.
const FEATURED: [&str; 4] = ["stage1", "ce", "balanced-softmax", "lort"];

/// The selected results of one cache, with the records behind those that figures show.
#[derive(Clone, Debug)]
pub struct FigureInput<'a> {
    /// What the protocol selected.
    pub results: &'a Results,
    /// Every run of the cache.
    pub runs: Vec<&'a Run>,
    /// n_k of the training split, where the folder tells them.
    pub class_counts: Option<&'a ClassCounts>,
    /// The same of a cache with equal class counts, for figures that compare a long-tailed one with it.
    pub balanced: Option<Box<FigureInput<'a>>>,
    records: Arc<BTreeMap<String, RunRecord>>,
    details: Arc<BTreeMap<String, RunDetail>>,
}

/// Per-class numbers of a run.
#[derive(Clone, Debug, Default)]
struct RunDetail {
    /// Of the state that the protocol selected.
    selected: Option<StateDetail>,
    /// After the last epoch.
    last: Option<StateDetail>,
}

/// Per-class numbers of a state, with its accuracy.
#[derive(Clone, Debug)]
struct StateDetail {
    top1: f64,
    per_class: PerClass,
}

/// The state of each run that figures of per-class numbers show: one for all methods, so that they compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// The one that the protocol selected.
    Selected,
    /// The last epoch, where a run keeps no numbers of the selected one.
    LastEpoch,
}

/// Whether a cache is long-tailed, in the order of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tail {
    Long,
    Unknown,
    None,
}

impl<'a> FigureInput<'a> {
    /// Reads the records behind the results of all caches, long-tailed caches first; with what is wrong with some of them,
    /// which are left out.
    ///
    /// # Errors
    /// [`RecordError`] when a record file cannot be read again.
    pub fn read_all(
        store: &'a RunStore,
        results: &'a [Results],
    ) -> Result<(Vec<Self>, Vec<String>), RecordError> {
        let seeds = || results.iter().flat_map(single_rows).flat_map(Selected::seeds);
        let records = store.records(&seeds().map(|seed| &*seed.run_id).collect())?;
        let mut warnings = Vec::new();
        let mut details = BTreeMap::new();
        for (seed, record) in seeds().filter_map(|seed| Some((seed, records.get(&*seed.run_id)?))) {
            details.insert(record.run_id.clone(), RunDetail::read(record, seed, &mut warnings));
        }
        let (records, details) = (Arc::new(records), Arc::new(details));
        let mut inputs: Vec<_> = results
            .iter()
            .map(|results| Self {
                results,
                runs: store.runs().iter().filter(|run| *run.cache_key == results.cache_key).collect(),
                class_counts: results.summary.as_ref().map(CacheSummary::class_counts),
                balanced: None,
                records: Arc::clone(&records),
                details: Arc::clone(&details),
            })
            .collect();
        inputs.sort_by_key(Self::tail);
        let balanced: Vec<_> = inputs.iter().filter(|input| input.tail() == Tail::None).cloned().collect();
        for input in inputs.iter_mut().filter(|input| input.tail() == Tail::Long) {
            // Of the caches without tail the most similar one; of equal ones the first.
            let nearest = balanced.iter().rev().max_by_key(|other| input.likeness(other));
            input.balanced = nearest.cloned().map(Box::new);
        }
        Ok((inputs, warnings))
    }

    fn tail(&self) -> Tail {
        match self.class_counts.map(ClassCounts::imbalance_ratio) {
            None => Tail::Unknown,
            Some(1.0) => Tail::None,
            Some(_) => Tail::Long,
        }
    }

    /// How many of data set, backbone and stage-1 loss two caches share, the first ones weighing most.
    fn likeness(&self, other: &Self) -> [bool; 3] {
        let [own, other] = [self, other].map(|input| {
            input.results.summary.as_ref().map(|summary| {
                let manifest = summary.manifest();
                (&manifest.dataset.name, &manifest.backbone.architecture, summary.stage1_loss())
            })
        });
        let Some((own, other)) = own.zip(other) else { return [false; 3] };
        [own.0 == other.0, own.1 == other.1, own.2 == other.2]
    }

    /// The results to show of methods that have one result, worst mean accuracy first.
    ///
    /// Where nothing was selected a method with several grid points is left out: choosing one would be choosing by test
    /// accuracy.
    pub(super) fn rows(&self) -> Vec<&'a Selected> {
        let mut rows = single_rows(self.results);
        rows.reverse();
        rows
    }

    /// The records of a result of [`FigureInput::rows`], one for each seed.
    pub(super) fn records(&self, row: &'a Selected) -> impl Iterator<Item = (&'a SeedResult, &RunRecord)> {
        row.seeds().iter().filter_map(|seed| Some((seed, self.records.get(&*seed.run_id)?)))
    }

    /// The [`FigureInput::rows`] that have per-class numbers, with those of one state and its accuracy, worst first.
    pub(super) fn methods(&self) -> Vec<MethodDetail<'_>> {
        let shown = self.shown();
        let mut methods: Vec<_> = self.rows().into_iter().filter_map(|row| self.detail(row, shown)).collect();
        methods.sort_by(|a, b| a.top1.total_cmp(&b.top1));
        methods
    }

    /// The selected state where every method has its numbers, else the last epoch for all.
    fn shown(&self) -> Shown {
        let with = |shown| self.rows().into_iter().filter(|row| self.detail(row, shown).is_some()).count();
        if with(Shown::Selected) < with(Shown::LastEpoch) { Shown::LastEpoch } else { Shown::Selected }
    }

    /// The per-class numbers of all seeds of a row.
    fn detail(&self, row: &'a Selected, shown: Shown) -> Option<MethodDetail<'_>> {
        let details = row.seeds().iter().map(|seed| {
            let detail = self.details.get(&*seed.run_id)?;
            match shown {
                Shown::Selected => detail.selected.as_ref(),
                Shown::LastEpoch => detail.last.as_ref(),
            }
        });
        let details = details.collect::<Option<Vec<_>>>().filter(|details| !details.is_empty())?;
        let top1 = details.iter().map(|detail| detail.top1).sum::<f64>() / details.len() as f64;
        Some(MethodDetail { row, top1, per_class: details.iter().map(|detail| &detail.per_class).collect() })
    }

    /// Which state the per-class numbers of [`FigureInput::methods`] and their accuracies are of.
    pub(super) fn state(&self) -> &'static str {
        match (self.results.protocol, self.shown()) {
            (Protocol::Last, _) => "after the last epoch",
            (_, Shown::Selected) => "at the chosen epoch",
            (_, Shown::LastEpoch) => {
                "after the last epoch and with its accuracy, since these runs keep no such numbers of the chosen epoch"
            }
        }
    }

    /// The same in short, to stand in the drawing itself.
    pub(super) fn foot(&self) -> String {
        let state = match (self.results.protocol, self.shown()) {
            (Protocol::Last, _) | (_, Shown::LastEpoch) => "after the last epoch".to_owned(),
            (protocol, Shown::Selected) => format!("at the epoch chosen by {protocol}"),
        };
        format!("numbers and data {state}")
    }

    /// The few methods that everybody compares; else the worst and the best.
    pub(super) fn featured(&self) -> Vec<MethodDetail<'_>> {
        let all = self.methods();
        let is_featured = |detail: &MethodDetail<'_>| FEATURED.contains(&detail.row.method());
        if all.iter().filter(|detail| is_featured(detail)).count() >= 2 {
            return all.into_iter().filter(is_featured).collect();
        }
        let last = all.len().saturating_sub(1);
        all.into_iter()
            .enumerate()
            .filter(|&(place, _)| place == 0 || place == last)
            .map(|(_, d)| d)
            .collect()
    }

    /// Classes from the most to the fewest training samples, with their counts.
    pub(super) fn head_to_tail(&self) -> Option<Vec<(ClassId, u64)>> {
        let counts = self.class_counts.as_ref()?.counts();
        let mut classes: Vec<_> = (0..).map(ClassId).zip(counts.iter().copied()).collect();
        classes.sort_by_key(|&(class, count)| (std::cmp::Reverse(count), class.0));
        Some(classes)
    }

    /// `epoch and hyper-parameters …; 3 seeds; cache cifar100, …, select val`: the most seeds of the results that are drawn.
    pub(super) fn how<'r>(&self, drawn: impl IntoIterator<Item = &'r Selected>) -> String {
        let seeds = drawn.into_iter().map(|row| row.seeds().len()).max().unwrap_or(0);
        let plural = if seeds == 1 { "" } else { "s" };
        format!("{}; {seeds} seed{plural}; cache {}", self.results.protocol.about(), self.results.title())
    }
}

/// The results to show of methods that have only one, best mean accuracy first.
fn single_rows(results: &Results) -> Vec<&Selected> {
    let shown = results.shown();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for row in &shown {
        *counts.entry(row.method()).or_default() += 1;
    }
    shown.into_iter().filter(|row| counts.get(row.method()) == Some(&1)).collect()
}

impl RunDetail {
    fn read(record: &RunRecord, seed: &SeedResult, warnings: &mut Vec<String>) -> Self {
        let mut own = |detail: Result<Option<Detail<'_>>, DetailError>| match detail {
            Ok(detail) => detail
                .map(|detail| StateDetail { top1: detail.top1, per_class: detail.per_class.into_owned() }),
            Err(error) => {
                warnings.push(format!("per-class numbers of run {} are left out: {error}", record.run_id));
                None
            }
        };
        Self { selected: own(selected_detail(record, seed)), last: own(last_detail(record)) }
    }
}

/// One method with the per-class numbers of its seeds, test split.
#[derive(Clone, Debug)]
pub(super) struct MethodDetail<'a> {
    pub(super) row: &'a Selected,
    /// Mean of top1.all of the same states over the seeds, a fraction.
    pub(super) top1: f64,
    pub(super) per_class: Vec<&'a PerClass>,
}

impl MethodDetail<'_> {
    /// `lort  54.3`: the method with its accuracy in percent.
    pub(super) fn heading(&self) -> String {
        heading(self.row.method(), Some(self.top1))
    }

    /// Mean over the seeds of a per-class number; `None` for a class without any.
    pub(super) fn column(&self, column: fn(&PerClass) -> &Vec<Option<f32>>) -> Vec<Option<f64>> {
        let classes = self.per_class.iter().map(|seed| column(seed).len()).max().unwrap_or(0);
        let values = |class: usize| {
            self.per_class
                .iter()
                .filter_map(move |seed| column(seed).get(class).copied().flatten())
                .map(f64::from)
        };
        (0..classes)
            .map(|class| {
                let n = values(class).count();
                (n > 0).then(|| values(class).sum::<f64>() / n as f64)
            })
            .collect()
    }
}

/// `lort  54.3`: a method with an accuracy in percent.
pub(super) fn heading(method: &str, top1: Option<f64>) -> String {
    method.to_owned() + &top1.map(|top1| format!("  {:.1}", 100.0 * top1)).unwrap_or_default()
}

/// The colour of a group.
pub(super) fn series(shot: Shot) -> usize {
    match shot {
        Shot::Many => 0,
        Shot::Medium => 2,
        Shot::Few => 1,
    }
}

/// The colours of all groups with their names.
pub(super) fn groups() -> [(usize, &'static str); 3] {
    Shot::ALL.map(|shot| (series(shot), shot.name()))
}

/// Weighted means of the neighbours: a triangle over a twelfth of the values on both sides.
pub(super) fn smooth(values: &[f64]) -> Vec<f64> {
    let half = (values.len() / 12).max(2);
    let weight = |distance: usize| (half + 1 - distance) as f64;
    (0..values.len())
        .map(|place| {
            let near = place.saturating_sub(half)..(place + half + 1).min(values.len());
            let near = near.filter_map(|other| Some((weight(place.abs_diff(other)), *values.get(other)?)));
            let (sum, total) = near.fold((0.0, 0.0), |(sum, total), (w, x)| (sum + w * x, total + w));
            sum / total
        })
        .collect()
}
