//! The sentences below a table.

use super::results::{Baseline, Results};
use crate::{
    methods::SGD_PARAMS,
    records::{ParamText, Params, TEST_TIME_AUGMENTATION},
    select::{Edge, End, Selected},
};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// How to read the rows.
pub(super) fn reading(results: &Results, rows: &[&Selected], common: &Params) -> Vec<String> {
    let mut notes = vec![
        format!("select {}: {}", results.protocol, results.protocol.about()),
        format!(
            "accuracies in percent, mean ± standard deviation over {}; \
             many > 100, medium 20 to 100, few < 20 training samples per class",
            seeds(rows)
        ),
    ];
    if common.iter().next().is_some() {
        notes.push(format!("the same wherever it applies: {common}"));
    }
    notes
}

/// `3 seeds`, `1 to 3 seeds`
fn seeds(rows: &[&Selected]) -> String {
    let counts = || rows.iter().map(|row| row.seeds().len()).filter(|&n| n > 0);
    match (counts().min(), counts().max()) {
        (Some(1), Some(1)) => "1 seed".to_owned(),
        (Some(least), Some(most)) if least == most => format!("{most} seeds"),
        (Some(least), Some(most)) => format!("{least} to {most} seeds"),
        _ => "seeds".to_owned(),
    }
}

/// What the column of gains means.
pub(super) fn gain(results: &Results) -> Option<String> {
    match &results.baseline {
        Baseline::Row(_) => {
            let method = results.baseline()?.method();
            Some(format!(
                "gain: difference to `{method}` in percentage points; * p < 0.05, paired t-test over seeds"
            ))
        }
        Baseline::Ambiguous { method, rows } => Some(format!(
            "no gain: `{method}` has {rows} results, and choosing one by test accuracy would flatter it"
        )),
        Baseline::Absent => None,
    }
}

/// What to be careful about in single results.
pub(super) fn cautions(rows: &[&Selected]) -> Vec<String> {
    let mut cautions = Vec::new();
    for row in rows {
        cautions.extend(row.edges().iter().map(|edge| edge_note(row.method(), edge)));
    }
    let mut unfinished: Vec<_> = rows.iter().filter(|row| row.incomplete_points() > 0).collect();
    unfinished.dedup_by_key(|row| row.method());
    cautions.extend(unfinished.iter().map(|row| {
        let (method, points) = (row.method(), row.incomplete_points());
        format!("`{method}`: {points} grid points have fewer seeds than the others, the sweep is unfinished")
    }));
    let diverged = rows.iter().filter(|row| row.diverged() > 0).count();
    if diverged > 0 {
        cautions.push(format!(
            "{diverged} of {} rows have seeds that diverged; their means are over the seeds that did not",
            rows.len()
        ));
    }
    cautions
}

fn edge_note(method: &str, edge: &Edge) -> String {
    let end = match edge.end {
        End::Lowest => "smallest",
        End::Highest => "largest",
    };
    let value = Value::from(edge.value);
    let (param, value) = (&edge.param, ParamText(&value));
    format!(
        "`{method}`: selected {param}={value} is the {end} of {} values, the best may lie beyond: widen the grid",
        edge.values
    )
}

/// Parameters that are the same in all rows that have them, and of training in general or of most methods: said once, not
/// in every row.
pub(super) fn common_params(rows: &[&Selected]) -> Params {
    let methods: BTreeSet<&str> = rows.iter().map(|row| row.method()).collect();
    let mut seen: Vec<Shared<'_>> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        for (name, value) in row.params().iter() {
            let place = *index.entry(name).or_insert(seen.len());
            if place == seen.len() {
                seen.push(Shared { name, value: Some(value), methods: BTreeSet::new() });
            }
            if let Some(shared) = seen.get_mut(place) {
                shared.methods.insert(row.method());
                shared.value = shared.value.filter(|&known| known == value);
            }
        }
    }
    let common = |shared: Shared<'_>| {
        let general =
            SGD_PARAMS.iter().any(|param| param.name == shared.name) || shared.name == TEST_TIME_AUGMENTATION;
        let usual = shared.methods.len() > 1 && 2 * shared.methods.len() >= methods.len();
        let value = shared.value.filter(|_| general || usual)?;
        Some((shared.name.to_owned(), value.clone()))
    };
    seen.into_iter().filter_map(common).collect()
}

/// A parameter, its value where all rows that have it agree, and the methods that have it.
struct Shared<'a> {
    name: &'a str,
    value: Option<&'a Value>,
    methods: BTreeSet<&'a str>,
}
