//! Results of one method by the values of some of its hyper-parameters.

use super::FigureInput;
use crate::{
    metrics::TOP1,
    records::{PRECISION, Params, Run},
    select::{Protocol, Selected, select},
    statistics::Summary,
};
use std::{cmp::Ordering, collections::BTreeMap};

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
    let groups = settings(input, method, axes, held);
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

/// The runs of a method by whether a `held` parameter has another than its given value, and by what is kept of the others.
fn settings<'a>(
    input: &FigureInput<'a>,
    method: &str,
    axes: &[&str],
    held: &[(&str, f64)],
) -> BTreeMap<(bool, String), Settings<'a>> {
    let chooses = input.results.protocol != Protocol::Last;
    let wanted =
        |name: &str| input.results.methods.is_empty() || input.results.methods.iter().any(|m| m == name);
    let part = |run: &Run, keep: &dyn Fn(&str) -> bool| -> Params {
        let kept = run.params.iter().filter(|(name, _)| !axes.contains(name) && keep(name));
        kept.map(|(name, value)| (name, value.clone())).collect()
    };
    let mut groups: BTreeMap<_, Settings<'_>> = BTreeMap::new();
    for run in input.runs.iter().copied().filter(|run| &*run.method == method && wanted(&run.method)) {
        let number = |name: &&str| run.params.get(name).and_then(serde_json::Value::as_f64).map(Ordered);
        let Some(key) = axes.iter().map(number).collect::<Option<Vec<_>>>() else { continue };
        let kept =
            part(run, &|name| !chooses || name == PRECISION || held.iter().any(|(other, _)| *other == name))
                .to_string();
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
    groups
}

/// `42 cells between 34.3 and 51.9 %`: of the accuracies of some results; where an epoch was chosen for each, what all of
/// them have after the last one too, since a flat curve may be the work of that choice.
pub(super) fn span(input: &FigureInput<'_>, rows: &[&Selected], noun: &str) -> Option<String> {
    let between = |summary: &dyn Fn(&Selected) -> Option<Summary>| {
        let means = rows.iter().filter_map(|row| summary(row)).map(|summary| summary.mean);
        let span = Summary::of(&means.collect::<Vec<_>>())?;
        Some(format!("between {:.1} and {:.1} %", 100.0 * span.min, 100.0 * span.max))
    };
    let chosen = format!("{} {noun} {}", rows.len(), between(&|row| row.summary(TOP1.all))?);
    let last = between(&|row| row.last_epoch()).filter(|_| input.results.protocol != Protocol::Last);
    let last = last.map(|last| format!(" with an epoch chosen for each, {last} after the last epoch"));
    Some(chosen + &last.unwrap_or_default())
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
