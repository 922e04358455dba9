//! The sentences below a table.

use super::{
    evidence::MOST_RESULTS,
    groups::ClassGroup,
    results::{Baseline, Results},
    table::Gain,
};
use crate::{
    methods::{Method, SGD_PARAMS},
    records::{PRECISION, ParamText, Params, TEST_TIME_AUGMENTATION},
    select::{Edge, End, Selected},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How to read the rows.
pub(super) fn reading(results: &Results, rows: &[&Selected], common: &Params) -> Vec<String> {
    let mut notes = vec![
        format!("select {}: {}", results.protocol, results.protocol.about()),
        format!("accuracies in percent, mean ± standard deviation over {}; {}", seeds(rows), groups(results)),
    ];
    notes.extend(widened(rows));
    let asked = || results.by_size.iter().flatten().chain(&results.sets);
    let recorded = |row: &&&Selected| results.evidence.accuracy_of(row, &std::iter::once(0)).is_some();
    if asked().next().is_some() && rows.iter().filter(recorded).count() < rows.len() {
        notes.push(
            "groups without a number: these runs do not keep the accuracy of each class in the state that is shown"
                .to_owned(),
        );
    }
    if common.iter().next().is_some() {
        notes.push(format!("unless a row says otherwise: {common}"));
    }
    notes
}

/// What the groups of classes are.
fn groups(results: &Results) -> String {
    let words = |group: &ClassGroup| {
        format!("{} ({})", group.title, plural_of(group.classes.len(), "class", "classes"))
    };
    let list = |groups: &[ClassGroup]| groups.iter().map(words).collect::<Vec<_>>().join(", ");
    let sizes = match &results.by_size {
        None => "many > 100, medium 20 to 100, few < 20 training samples per class".to_owned(),
        Some(groups) => format!("groups by training samples per class: {}", list(groups)),
    };
    if results.sets.is_empty() { sizes } else { format!("{sizes}; sets of classes: {}", list(&results.sets)) }
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

/// Which methods validation has asked for more points of.
fn widened(rows: &[&Selected]) -> Option<String> {
    let added: BTreeMap<&str, usize> = rows
        .iter()
        .map(|row| (row.method(), row.widened_points()))
        .filter(|(_, points)| *points > 0)
        .collect();
    let each: Vec<String> = added.iter().map(|(method, points)| format!("{method} {points}")).collect();
    (!each.is_empty()).then(|| {
        format!(
            "points added beyond edges of the grid, by validation alone, no test number in sight: {}",
            each.join(", ")
        )
    })
}

/// What the column of gains means.
pub(super) fn gain(results: &Results, gains: &[Option<Gain>]) -> Option<String> {
    match &results.baseline {
        Baseline::Row(_) => {
            let method = results.baseline()?.method();
            let stars = stars(results.evidence.too_many, gains);
            Some(format!("gain: difference to `{method}` in percentage points{stars}"))
        }
        Baseline::Ambiguous { method, rows } => Some(format!(
            "no gain: `{method}` has {rows} results, and choosing one by test accuracy would flatter it"
        )),
        Baseline::Absent => None,
    }
}

/// What marks a gain, or why none can be marked.
pub(super) fn stars(too_many: bool, gains: &[Option<Gain>]) -> String {
    let gains: Vec<&Gain> = gains.iter().flatten().collect();
    if gains.is_empty() {
        return String::new();
    }
    if too_many {
        return format!("; none is marked: more than {MOST_RESULTS} results are not compared image by image");
    }
    let recorded = gains.iter().filter(|gain| gain.chance.images.is_some()).count();
    if recorded == 0 {
        return "; none is marked: these runs do not record which test images they have right, so chance over images is \
                unknown"
            .to_owned();
    }
    let tested = gains.iter().filter(|gain| gain.corrected.is_some()).count();
    let rule = format!(
        "; * p < 0.05 over seeds (paired t-test) and over test images (paired bootstrap within classes, or McNemar's test of \
         one run against one), Holm-corrected over {}",
        plural(tested, "row")
    );
    let mut text = vec![if tested == 0 { "; none is marked".to_owned() } else { rule }];
    if gains.iter().any(|gain| gain.chance.untrained && gain.corrected.is_some()) {
        text.push("heads without training have no seeds: images alone".to_owned());
    }
    let seedless = recorded - tested;
    if seedless > 0 {
        let rows = if seedless == 1 { "1 row has".to_owned() } else { format!("{seedless} rows have") };
        text.push(format!("{rows} one seed or equal seeds: chance over seeds unknown, no mark"));
    }
    if recorded < gains.len() {
        text.push(format!("not recorded for {}, without a mark", plural(gains.len() - recorded, "row")));
    }
    text.join("; ")
}

fn plural(count: usize, noun: &str) -> String {
    plural_of(count, noun, &format!("{noun}s"))
}

fn plural_of(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// What to be careful about: samples that are in two splits of the cache, then single results.
pub(super) fn cautions(results: &Results, rows: &[&Selected]) -> Vec<String> {
    let overlaps = results.summary.iter().flat_map(|summary| &summary.manifest().dataset.overlaps);
    let mut cautions: Vec<String> = overlaps.map(ToString::to_string).collect();
    for row in rows {
        cautions.extend(row.edges().iter().map(|edge| edge_note(row.method(), edge)));
    }
    cautions.extend(earlier_revisions(rows));
    cautions.extend(repeated_runs(rows));
    let mut unfinished: Vec<_> = rows.iter().filter(|row| row.incomplete_points() > 0).collect();
    unfinished.dedup_by_key(|row| row.method());
    cautions.extend(unfinished.iter().map(|row| {
        let (method, points) = (row.method(), row.incomplete_points());
        format!("`{method}`: {points} grid points have fewer seeds than the others, the sweep is unfinished")
    }));
    cautions.extend(rows.iter().filter(|row| row.excluded_points() > 0).map(|row| {
        let (method, excluded, points) = (row.method(), row.excluded_points(), row.points());
        format!(
            "{excluded} of {points} settings of `{method}` diverged, with all seeds or some: not among the candidates"
        )
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

/// That some runs are those of other ids once more.
fn repeated_runs(rows: &[&Selected]) -> Option<String> {
    let runs: usize = rows.iter().map(|row| row.repeated_runs()).sum();
    let methods = rows.iter().filter(|row| row.repeated_runs() > 0).map(|row| format!("`{}`", row.method()));
    let methods: Vec<_> = methods.collect::<BTreeSet<_>>().into_iter().collect();
    (runs > 0).then(|| {
        format!(
            "{} of {} left out: another run has the same cache, method, hyper-parameters and seed under another id, and \
             a seed counts once",
            plural(runs, "run"),
            methods.join(", ")
        )
    })
}

/// That some runs would come out otherwise today, once for all methods.
fn earlier_revisions(rows: &[&Selected]) -> Option<String> {
    let is_old =
        |row: &&&Selected| Method::find(row.method()).is_err() && row.method().contains(" (revision ");
    let names: BTreeSet<String> =
        rows.iter().filter(is_old).map(|row| format!("`{}`", row.method())).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{}: made by an earlier version of the program, which computed them otherwise; they stand beside today's \
             results, not among them: sweep the method again",
            names.into_iter().collect::<Vec<_>>().join(", ")
        )
    })
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

/// Parameters that are said once, and in a row only where it differs: of training in general, words and flags that two rows
/// in three or more share and numbers that all share; of methods, what most have with one value. Of what one row alone has the
/// learning rate and what is not the method's default stay in the row.
pub(super) fn common_params(rows: &[&Selected]) -> Params {
    let methods: BTreeSet<&str> = rows.iter().map(|row| row.method()).collect();
    let mut seen: Vec<Seen<'_>> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        for (name, value) in row.params().iter() {
            let place = *index.entry(name).or_insert(seen.len());
            if place == seen.len() {
                seen.push(Seen { name, values: Vec::new(), methods: BTreeSet::new() });
            }
            if let Some(seen) = seen.get_mut(place) {
                seen.methods.insert(row.method());
                match seen.values.iter_mut().find(|(known, _)| *known == value) {
                    Some((_, rows)) => *rows += 1,
                    None => seen.values.push((value, 1)),
                }
            }
        }
    }
    let is_telling = |seen: &Seen<'_>, value: &Value| {
        let method = seen.methods.iter().next().and_then(|method| Method::find(method).ok());
        let default = method.and_then(|method| {
            method.all_params().into_iter().find(|param| param.name == seen.name).map(|param| param.default)
        });
        seen.name == "lr"
            || default.is_some_and(|default| default.to_string() != ParamText(value).to_string())
    };
    let all = rows.len();
    let common = |seen: Seen<'_>| {
        let general =
            SGD_PARAMS.iter().any(|param| param.name == seen.name) || seen.name == TEST_TIME_AUGMENTATION;
        let usual = seen.methods.len() > 1 && 2 * seen.methods.len() >= methods.len();
        let rows: usize = seen.values.iter().map(|(_, rows)| rows).sum();
        let (value, most) = seen.values.iter().max_by_key(|(_, rows)| *rows)?;
        // A row without a precision has another one, f32.
        if seen.name == PRECISION && *most < all {
            return None;
        }
        // What one row alone has would be common, and its column blank.
        if rows == 1 && is_telling(&seen, value) {
            return None;
        }
        // A number may have been chosen from a grid: a reader looks for it in its row.
        let shared = if general && !value.is_number() {
            3 * most >= 2 * rows
        } else {
            (general || usual) && *most == rows
        };
        shared.then(|| (seen.name.to_owned(), (*value).clone()))
    };
    seen.into_iter().filter_map(common).collect()
}

/// A parameter, its values with the rows that have them, and the methods that take it.
struct Seen<'a> {
    name: &'a str,
    values: Vec<(&'a Value, usize)>,
    methods: BTreeSet<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::{
            CacheSummary,
            testing::{diverged, stored, validated},
        },
        select::Protocol,
    };
    use cache::{FeatureCache, Overlap, Split, synthetic::SyntheticCache};

    #[test]
    fn samples_in_two_splits_are_the_first_caution() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        SyntheticCache::default().write(&path).unwrap();
        let mut manifest = FeatureCache::open(&path).unwrap().manifest().clone();
        manifest.dataset.overlaps.push(Overlap {
            split: Split::Test,
            other: Split::Val,
            shared: 20,
            of: 20,
            first: vec!["row 0".to_owned()],
        });
        let records = [validated("ce", "{}", 0, 0.5, 0.4)];
        let mut results = Results::of(&stored(&records), None, None, &[]).unwrap().remove(0);
        assert!(cautions(&results, &results.shown()).is_empty());
        results.summary = Some(CacheSummary::of(manifest));
        assert_eq!(
            cautions(&results, &results.shown()),
            ["all 20 test samples are the same as validation samples (row 0 …)"]
        );
    }

    #[test]
    fn settings_that_diverged_are_told_of_where_one_is_chosen() {
        let rate = |lr: f64| format!("{{\"lr\":{lr}}}");
        let records = [
            validated("ce", &rate(0.1), 0, 0.5, 0.4),
            validated("ce", &rate(1.0), 0, 0.6, 0.5),
            diverged("ce", &rate(1.0), 1),
            diverged("ce", &rate(10.0), 0),
            validated("lort", "{}", 0, 0.5, 0.4),
        ];
        let told = |protocol| {
            let results = Results::of(&stored(&records), Some(protocol), None, &[]).unwrap().remove(0);
            let mut cautions = cautions(&results, &results.shown());
            cautions.retain(|caution| caution.contains("settings"));
            cautions
        };
        let expected = "2 of 3 settings of `ce` diverged, with all seeds or some: not among the candidates";
        assert_eq!(told(Protocol::Val), [expected]);
        // Every setting is a row of its own, which says what diverged.
        assert!(told(Protocol::Last).is_empty());
        // Where all have a diverged seed, all are candidates.
        let all = [diverged("ce", &rate(0.1), 0), diverged("ce", &rate(1.0), 0)];
        let results = Results::of(&stored(&all), Some(Protocol::Val), None, &[]).unwrap().remove(0);
        assert_eq!(results.selected[0].excluded_points(), 0);
    }
}
