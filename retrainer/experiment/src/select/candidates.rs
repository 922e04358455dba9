//! Grid points: the runs of one method with the same hyper-parameters, precision among them.

use crate::records::{Added, PRECISION, Params, Run, Status};
use serde_json::Value;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

/// All seeds of one method and one set of hyper-parameters.
#[derive(Clone, Debug)]
pub(super) struct Point<'a> {
    pub(super) params: &'a Arc<Params>,
    pub(super) finished: Vec<&'a Run>,
    pub(super) diverged: usize,
    /// Whether validation took it for one of the best and gave it further seeds.
    pub(super) finalist: bool,
    /// Whether it lies beyond an edge of the grid that validation chose.
    pub(super) widened: bool,
    /// Further runs of a seed, which are left out.
    pub(super) repeated: usize,
}

impl<'a> Point<'a> {
    /// One run for each seed, since the same run under another id is no further evidence: the first that finished, else
    /// the first.
    fn of(params: &'a Arc<Params>, runs: &[&'a Run]) -> Self {
        let mut by_seed: BTreeMap<u64, &Run> = BTreeMap::new();
        for &run in runs {
            match by_seed.entry(run.seed) {
                Entry::Vacant(place) => {
                    place.insert(run);
                }
                Entry::Occupied(mut place) => {
                    if place.get().status == Status::Diverged && run.status == Status::Ok {
                        place.insert(run);
                    }
                }
            }
        }
        let seeds = by_seed.len();
        let finished: Vec<_> = by_seed.into_values().filter(|run| run.status == Status::Ok).collect();
        let added = |why| runs.iter().any(|run| run.added == Some(why));
        Self {
            params,
            diverged: seeds - finished.len(),
            finalist: added(Added::Finalist),
            widened: runs.iter().all(|run| run.added.is_some()) && added(Added::Widened),
            repeated: runs.len() - seeds,
            finished,
        }
    }

    pub(super) fn seeds(&self) -> usize {
        self.finished.len() + self.diverged
    }
}

/// A method at one precision, f32 (`None`) first: precision is no axis to choose on, so that each has a result of its own.
pub(super) type Family<'a> = (&'a Arc<str>, Option<&'a str>);

/// The points of every family: methods by name, points by parameter values, seeds in order.
pub(super) fn points<'a>(runs: &[&'a Run]) -> BTreeMap<Family<'a>, Vec<Point<'a>>> {
    let mut groups: BTreeMap<Family<'a>, BTreeMap<String, Vec<&'a Run>>> = BTreeMap::new();
    for &run in runs {
        let precision = run.params.get(PRECISION).and_then(Value::as_str);
        let points = groups.entry((&run.method, precision)).or_default();
        points.entry(run.params.canonical()).or_default().push(run);
    }
    let in_order = |points: BTreeMap<String, Vec<&'a Run>>| {
        let of = |runs: Vec<&'a Run>| Some(Point::of(&runs.first()?.params, &runs));
        let mut points: Vec<_> = points.into_values().filter_map(of).collect();
        points.sort_by(|a, b| compare(a.params, b.params));
        points
    };
    groups.into_iter().map(|(family, points)| (family, in_order(points))).collect()
}

/// Parameter by parameter: numbers by value, everything else by its JSON text.
fn compare(a: &Params, b: &Params) -> Ordering {
    let value = |x: &Value, y: &Value| match (x.as_f64(), y.as_f64()) {
        (Some(x), Some(y)) => x.total_cmp(&y),
        _ => x.to_string().cmp(&y.to_string()),
    };
    let pairs = a.iter().zip(b.iter());
    pairs.fold(Ordering::Equal, |order, ((m, x), (n, y))| {
        order.then_with(|| m.cmp(n)).then_with(|| value(x, y))
    })
}

/// End of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Smallest value of the grid.
    Lowest,
    /// Largest value of the grid.
    Highest,
}

/// A chosen value at the end of its grid axis: the best one may lie outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Name of the parameter.
    pub param: String,
    /// The chosen value.
    pub value: f64,
    /// Which end.
    pub end: End,
    /// How many values the axis has.
    pub values: usize,
}

/// The axes at whose end a point lies. Zero at the low end is no edge: no parameter goes below.
pub(super) fn edges(points: &[Point<'_>], chosen: &Params) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (name, value) in chosen.iter() {
        let Some(value) = value.as_f64() else { continue };
        let mut axis: Vec<f64> = points.iter().filter_map(|point| point.params.get(name)?.as_f64()).collect();
        axis.sort_by(f64::total_cmp);
        axis.dedup();
        let end = match (axis.first(), axis.last()) {
            (Some(&low), Some(&high)) if low < high => {
                if value <= low && value != 0.0 {
                    End::Lowest
                } else if value >= high {
                    End::Highest
                } else {
                    continue;
                }
            }
            _ => continue,
        };
        edges.push(Edge { param: name.to_owned(), value, end, values: axis.len() });
    }
    edges
}
