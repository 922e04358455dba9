//! Grid points: the runs of one method with the same hyper-parameters.

use crate::records::{Params, Run, Status};
use serde_json::Value;
use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

/// All seeds of one method and one set of hyper-parameters.
#[derive(Clone, Debug)]
pub(super) struct Point<'a> {
    pub(super) params: &'a Arc<Params>,
    pub(super) finished: Vec<&'a Run>,
    pub(super) diverged: usize,
}

impl Point<'_> {
    pub(super) fn seeds(&self) -> usize {
        self.finished.len() + self.diverged
    }
}

/// The points of every method: methods by name, points by parameter values, seeds in order.
pub(super) fn points<'a>(runs: &[&'a Run]) -> BTreeMap<&'a Arc<str>, Vec<Point<'a>>> {
    let mut groups: BTreeMap<&Arc<str>, BTreeMap<String, Point<'a>>> = BTreeMap::new();
    for &run in runs {
        let point = groups.entry(&run.method).or_default().entry(run.params.canonical());
        let point = point.or_insert_with(|| Point { params: &run.params, finished: Vec::new(), diverged: 0 });
        match run.status {
            Status::Ok => point.finished.push(run),
            Status::Diverged => point.diverged += 1,
        }
    }
    let in_order = |points: BTreeMap<String, Point<'a>>| {
        let mut points: Vec<_> = points.into_values().collect();
        points.sort_by(|a, b| compare(a.params, b.params));
        for point in &mut points {
            point.finished.sort_by_key(|run| run.seed);
        }
        points
    };
    groups.into_iter().map(|(method, points)| (method, in_order(points))).collect()
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
