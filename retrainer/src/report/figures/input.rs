//! What figures are made of: the selected results of one cache with the records behind them.

use crate::{
    metrics::PerClass,
    records::{CacheSummary, Params, RecordError, Run, RunRecord, RunStore},
    report::Results,
    select::{Protocol, Selected, select},
};
use shared::{ClassCounts, ClassId, Shot};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// Methods that figures with room for few compare, where there are runs of them.
const FEATURED: [&str; 4] = ["stage1", "ce", "balanced-softmax", "lort"];

/// The selected results of one cache, with their per-class numbers.
#[derive(Debug)]
pub struct FigureInput<'a> {
    /// What the protocol selected.
    pub results: &'a Results,
    /// Every run of the cache.
    pub runs: Vec<&'a Run>,
    /// n_k of the training split, where the folder tells them.
    pub class_counts: Option<&'a ClassCounts>,
    records: BTreeMap<String, RunRecord>,
}

impl<'a> FigureInput<'a> {
    /// Reads the records behind the results.
    ///
    /// # Errors
    /// [`RecordError`] when a record file cannot be read again.
    pub fn read(store: &'a RunStore, results: &'a Results) -> Result<Self, RecordError> {
        let ids: BTreeSet<&str> =
            results.selected.iter().flat_map(Selected::seeds).map(|seed| &*seed.run_id).collect();
        Ok(Self {
            results,
            runs: store.runs().iter().filter(|run| *run.cache_key == results.cache_key).collect(),
            class_counts: results.summary.as_ref().map(CacheSummary::class_counts),
            records: store.records(&ids)?,
        })
    }

    /// The methods to show that have one result, worst mean accuracy first.
    ///
    /// Where nothing was selected a method with several grid points is left out: choosing one would be choosing by test
    /// accuracy.
    pub(super) fn methods(&self) -> Vec<MethodDetail<'_>> {
        let shown = self.results.shown();
        let alone =
            |row: &&&Selected| shown.iter().filter(|other| other.method() == row.method()).count() == 1;
        let details = shown.iter().filter(alone).filter_map(|row| {
            let per_class: Vec<_> = row
                .seeds()
                .iter()
                .filter_map(|seed| self.records.get(&*seed.run_id)?.per_class.as_ref())
                .collect();
            let top1 = row.summary("top1.all")?.mean;
            (!per_class.is_empty()).then_some(MethodDetail { row, top1, per_class })
        });
        let mut details: Vec<_> = details.collect();
        details.reverse();
        details
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

    /// `epoch and hyper-parameters …; per-class numbers after the last epoch, means over 3 seeds`
    pub(super) fn how(&self) -> String {
        let seeds = self.results.selected.iter().map(|row| row.seeds().len()).max().unwrap_or(0);
        let plural = if seeds == 1 { "" } else { "s" };
        let protocol = self.results.protocol;
        format!("select {protocol}: {}; {seeds} seed{plural}", protocol.about())
    }
}

/// One method with the per-class numbers of its seeds, test split, after the last epoch.
#[derive(Clone, Debug)]
pub(super) struct MethodDetail<'a> {
    pub(super) row: &'a Selected,
    /// Mean of top1.all over the seeds, a fraction.
    pub(super) top1: f64,
    pub(super) per_class: Vec<&'a PerClass>,
}

impl MethodDetail<'_> {
    /// `lort 54.3`
    pub(super) fn heading(&self) -> String {
        format!("{}  {:.1}", self.row.method(), 100.0 * self.top1)
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

/// The colour of a group.
pub(super) fn series(shot: Shot) -> usize {
    match shot {
        Shot::Many => 0,
        Shot::Medium => 2,
        Shot::Few => 1,
    }
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

/// One result for every value of some parameters of a method, by these values, and what holds for all of them.
pub(super) type PointsBy = (Vec<(Vec<f64>, Selected)>, String);

/// Runs by the values of the axes.
type Combinations<'a> = BTreeMap<Vec<Ordered>, Vec<&'a Run>>;

/// The same by the setting of all other parameters.
type Settings<'a> = BTreeMap<String, Combinations<'a>>;

/// Selects within each combination of the `axes` on its own. The `held` parameters, and where the protocol chooses nothing
/// all others, are kept at the values that have most combinations; of equal ones at the given values, else the first in
/// order. Choices are among the settings that most combinations share, so that no combination is chosen from a larger grid
/// than its neighbours.
pub(super) fn points_by(
    input: &FigureInput<'_>,
    method: &str,
    axes: &[&str],
    held: &[(&str, f64)],
) -> Option<PointsBy> {
    let chooses = input.results.protocol != Protocol::Last;
    let wanted =
        |name: &str| input.results.methods.is_empty() || input.results.methods.iter().any(|m| m == name);
    let part = |run: &Run, keep: &dyn Fn(&str) -> bool| -> Params {
        let kept = run.params.iter().filter(|(name, _)| !axes.contains(name) && keep(name));
        kept.map(|(name, value)| (name, value.clone())).collect()
    };
    let mut groups: BTreeMap<(bool, String), Settings<'_>> = BTreeMap::new();
    for run in input.runs.iter().copied().filter(|run| &*run.method == method && wanted(&run.method)) {
        let number = |name: &&str| run.params.get(name).and_then(serde_json::Value::as_f64).map(Ordered);
        let Some(key) = axes.iter().map(number).collect::<Option<Vec<_>>>() else { continue };
        let kept = part(run, &|name| !chooses || held.iter().any(|(other, _)| *other == name)).to_string();
        let unusual = held
            .iter()
            .any(|(name, value)| run.params.get(name).and_then(serde_json::Value::as_f64) != Some(*value));
        let setting = part(run, &|_| true).to_string();
        groups
            .entry((unusual, kept))
            .or_default()
            .entry(setting)
            .or_default()
            .entry(key)
            .or_default()
            .push(run);
    }
    let most = |settings: &Settings<'_>| settings.values().map(BTreeMap::len).max();
    // The first of the largest: `max_by_key` would take the last.
    let ((_, kept), settings) = groups.into_iter().rev().max_by_key(|(_, settings)| most(settings))?;
    let shared = most(&settings)?;
    let mut choices = 0_usize;
    let mut points = Combinations::new();
    for (key, runs) in settings.into_values().filter(|points| points.len() == shared).flat_map(|points| {
        choices += 1;
        points
    }) {
        points.entry(key).or_default().extend(runs);
    }
    let points = points.into_iter().filter_map(|(key, runs)| {
        let row = select(&runs, input.results.protocol).ok()?.into_iter().next()?;
        Some((key.into_iter().map(|Ordered(value)| value).collect(), row))
    });
    let points = points.collect();
    let among = match choices {
        0 | 1 => "all other hyper-parameters fixed".to_owned(),
        _ => format!("all other hyper-parameters chosen for each value among the same {choices} settings"),
    };
    let fixed = match (chooses, kept.is_empty()) {
        (true, true) => among,
        (true, false) => format!("{kept}, {among}"),
        (false, _) => kept,
    };
    Some((points, fixed))
}

/// A number that can be a key.
#[derive(Clone, Copy, Debug)]
struct Ordered(f64);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}
