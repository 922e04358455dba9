//! What no change of the program may change: the names of committed runs, from their own settings, through today's methods.

use experiment::{
    plan::{Grid, Precision, record_params},
    records::{PRECISION, Params, REVISION, RunRecord, RunStore, TEST_TIME_AUGMENTATION, revised, run_id},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The folders of committed records.
fn committed() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let scale = |name: &str| fs::read_dir(fixtures.join("reproduction").join(name).join("runs")).unwrap();
    let reproduced = ["small", "paper"].map(scale).into_iter().flatten().map(|entry| entry.unwrap().path());
    reproduced.chain([fixtures.join("demo/runs")]).collect()
}

/// The grid file of one record: its values as TOML, but for what a sweep adds by itself.
fn grid_of(record: &RunRecord) -> String {
    let mut text = format!("seeds = {}\n[[method]]\nname = \"{}\"\n", record.seed, record.method);
    for (name, value) in record.params.iter() {
        if ![TEST_TIME_AUGMENTATION, PRECISION, REVISION].contains(&name) {
            let value = value.to_string().replace("\"inf\"", "inf");
            text.push_str(&format!("{name} = {value}\n"));
        }
    }
    text
}

/// The settings that today's methods make of a record's.
fn through_todays_methods(record: &RunRecord) -> Params {
    let text = grid_of(record);
    let grid = Grid::parse("record", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(grid.points.len(), 1, "{text}");
    let augmented = record.params.get(TEST_TIME_AUGMENTATION) == Some(&true.into());
    let precision = Precision::find(&record.precision).unwrap();
    record_params(&grid.points[0], augmented, precision)
}

/// A record's own fields give its name, and so does what today's methods read from them. What a program computes otherwise
/// today has another name, and stands under one of its own.
#[test]
fn committed_runs_keep_their_names_through_todays_methods() {
    let (mut kept, mut methods, mut revised_since) = (0, BTreeSet::new(), BTreeSet::new());
    for folder in committed() {
        let store = RunStore::open(&folder).unwrap();
        let ids = store.runs().iter().map(|run| &*run.run_id).collect();
        for (id, record) in store.records(&ids).unwrap() {
            let name =
                |params| run_id(&record.cache_key, &record.method, params, record.seed, &record.precision);
            assert_eq!(name(&record.params), id, "{} {}", record.method, record.params);
            let today = through_todays_methods(&record);
            let shown = store.get(&id).unwrap().method.to_string();
            if name(&today) == id {
                assert_eq!(shown, record.method);
                kept += 1;
            } else {
                let expected = revised(&record.method, record.params.clone());
                assert_eq!(today.canonical(), expected.canonical(), "{}", record.method);
                revised_since.insert(shown);
            }
            methods.insert(record.method);
        }
    }
    assert!(kept > 3000 && methods.len() == 15, "{kept} runs of {methods:?}");
    assert_eq!(revised_since.into_iter().collect::<Vec<_>>(), ["lws (revision 1)"]);
}
