//! Where a sweep goes on by what validation says: beyond the edges of axes that it chose, and with more seeds for its best.
//!
//! Test numbers play no part, and the same runs give the same points, so that a sweep that was stopped goes on as it would have.

use super::{Edge, End, SelectError, Selected, select};
use crate::{
    methods::{Kind, Training, Value},
    plan::Point,
    protocol::Protocol,
    records::{Run, RunStore},
};
use std::{cmp::Ordering, collections::BTreeSet, collections::HashMap};

/// The points of a sweep by the names of their runs.
pub type Planned = HashMap<Box<str>, Point>;

/// Values of a grown axis keep so many digits.
const DIGITS: usize = 3;

/// The runs of a sweep that are there, and what validation chose of each method.
fn chosen(planned: &Planned, store: &RunStore, protocol: Protocol) -> Result<Vec<Selected>, SelectError> {
    let runs: Vec<&Run> = store.runs().iter().filter(|run| planned.contains_key(&run.run_id)).collect();
    select(&runs, protocol)
}

/// The planned point of a result.
fn point<'a>(selected: &Selected, planned: &'a Planned) -> Option<&'a Point> {
    planned.get(&selected.seeds().first()?.run_id)
}

/// Points one step beyond each edge that validation chose, where the axis can go on: at the chosen values of the other axes, with
/// the seeds of the method.
///
/// # Errors
/// [`SelectError`] where the runs have no score to choose by.
pub fn beyond(planned: &Planned, store: &RunStore, protocol: Protocol) -> Result<Vec<Point>, SelectError> {
    let mut points = Vec::new();
    for selected in chosen(planned, store, protocol)? {
        let Some(at) = point(&selected, planned) else { continue };
        let own: Vec<&Point> = planned.values().filter(|point| point.method == at.method).collect();
        let seeds: BTreeSet<u64> = own.iter().map(|point| point.seed).collect();
        for edge in selected.edges() {
            let Some(value) = next(edge, at, &own) else { continue };
            let moved = seeds.iter().map(|&seed| Point { seed, ..at.clone() });
            points.extend(moved.filter_map(|point| point.with(&edge.param, &Value::Number(value)).ok()));
        }
    }
    Ok(points)
}

/// The next value of the axis at whose edge a point lies.
fn next(edge: &Edge, at: &Point, own: &[&Point]) -> Option<f64> {
    let kind = at.method.all_params().into_iter().find(|param| param.name == edge.param)?.kind;
    let value =
        |point: &&Point| match point.params.values().into_iter().find(|(name, _)| *name == edge.param)?.1 {
            Value::Number(number) => Some(number),
            Value::Text(_) | Value::Flag(_) => None,
        };
    let mut axis: Vec<f64> = own.iter().filter_map(value).collect();
    axis.sort_by(f64::total_cmp);
    axis.dedup();
    grown(&axis, edge.end, kind)
}

/// The value that follows at an end of an axis, by the axis's own step: its ratio, or its difference where it is even or has
/// values that are not positive. Where a bound is in the way, the distance to the bound shrinks by the same rule.
fn grown(axis: &[f64], end: End, kind: Kind) -> Option<f64> {
    let (last, before) = match (end, axis) {
        (End::Highest, [.., before, last]) | (End::Lowest, [last, before, ..]) => (*last, *before),
        _ => return None,
    };
    let steps = || axis.windows(2).filter_map(|pair| Some(pair.last()? - pair.first()?));
    let even = axis.len() > 2 && steps().all(|step| (step - (last - before).abs()).abs() < 1e-9 * step.abs());
    let next =
        if even || last <= 0.0 || before <= 0.0 { 2.0 * last - before } else { last * (last / before) };
    let rounded = crate::plan::rounded(next, DIGITS);
    if kind.holds(next) && kind.holds(rounded) {
        return Some(rounded);
    }
    match (kind, end) {
        (Kind::Number { max, .. }, End::Highest) if max.is_finite() && last < max => {
            Some(max - crate::plan::rounded((max - last) * ((max - last) / (max - before)), DIGITS))
        }
        (Kind::Number { min, .. }, End::Lowest) if min.is_finite() && last > min => Some(min),
        _ => None,
    }
}

/// The best `count` results by their validation scores with these further seeds, where they are trained at all.
///
/// # Errors
/// As [`beyond`].
pub fn finalists(
    planned: &Planned,
    store: &RunStore,
    protocol: Protocol,
    count: usize,
    seeds: &[u64],
) -> Result<Vec<Point>, SelectError> {
    let mut best = chosen(planned, store, protocol)?;
    best.sort_by(|one, two| order(one, two, protocol));
    let trained = |at: &&Point| at.method.training == Training::Sgd;
    let points = best.iter().take(count).filter_map(|selected| point(selected, planned)).filter(trained);
    Ok(points.flat_map(|at| seeds.iter().map(|&seed| Point { seed, ..at.clone() })).collect())
}

/// Every seed of the best `count` results with the name of its run, better scores first: what a mean of heads is made of.
///
/// # Errors
/// As [`beyond`].
pub fn ingredients(
    planned: &Planned,
    store: &RunStore,
    protocol: Protocol,
    count: usize,
) -> Result<Vec<(Box<str>, Point)>, SelectError> {
    let mut best = chosen(planned, store, protocol)?;
    best.sort_by(|one, two| order(one, two, protocol));
    let by = protocol.val_score();
    let mut seeds: Vec<_> = best.iter().take(count).flat_map(Selected::seeds).collect();
    // A stable sort: equals stay in the order of their results.
    seeds.sort_by(|one, two| match (one.score, two.score) {
        (Some(one), Some(two)) => by.gain(two, one).total_cmp(&0.0),
        (one, two) => two.is_some().cmp(&one.is_some()),
    });
    let point = |run_id: &str| Some((run_id.into(), planned.get(run_id)?.clone()));
    Ok(seeds.iter().filter_map(|seed| point(&seed.run_id)).collect())
}

/// Better validation scores first, then by name.
pub(super) fn order(one: &Selected, two: &Selected, protocol: Protocol) -> Ordering {
    let better = |gain: f64| if gain > 0.0 { Ordering::Less } else { Ordering::Greater };
    let by_score = match (one.val(), two.val()) {
        (Some(one), Some(two)) if one != two => better(protocol.val_score().gain(one, two)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), Some(_)) | (None, None) => Ordering::Equal,
    };
    by_score.then_with(|| one.method().cmp(two.method()))
}

/// The best result by its validation score, of one method or of all; `None` where there is none with a seed that finished.
///
/// # Errors
/// [`SelectError`] where the runs have no score to choose by.
pub fn best(runs: &[&Run], protocol: Protocol) -> Result<Option<Selected>, SelectError> {
    let mut selected = select(runs, protocol)?;
    selected.retain(|selected| !selected.seeds().is_empty());
    Ok(selected.into_iter().min_by(|one, two| order(one, two, protocol)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITIVE: Kind = Kind::Above { min: 0.0 };
    const SHARE: Kind = Kind::Number { min: 0.0, max: 1.0 };

    #[test]
    fn an_axis_grows_by_its_own_step_and_creeps_up_to_a_bound() {
        assert_eq!(grown(&[0.1, 0.3, 1.0], End::Highest, POSITIVE), Some(3.33));
        assert_eq!(grown(&[0.1, 1.0], End::Lowest, POSITIVE), Some(0.01));
        assert_eq!(grown(&[0.5, 1.0, 1.5], End::Highest, POSITIVE), Some(2.0));
        assert_eq!(grown(&[0.0, 0.1], End::Highest, POSITIVE), Some(0.2));
        // 1 − 0.01 · (0.01 / 0.02)
        assert_eq!(grown(&[0.9, 0.98, 0.99], End::Highest, SHARE), Some(0.995));
        assert_eq!(grown(&[0.25, 0.5, 0.75], End::Lowest, SHARE), Some(0.0));
        assert_eq!(grown(&[0.2, 0.9, 1.0], End::Highest, SHARE), None);
        assert_eq!(grown(&[16.0], End::Highest, POSITIVE), None);
        assert_eq!(grown(&[1.0, 2.0], End::Lowest, Kind::Integer { min: 1 }), None);
    }
}
