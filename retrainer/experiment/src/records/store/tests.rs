use super::*;
use crate::{
    metrics::PerClass,
    protocol::Protocol,
    records::testing::{diverged, record, validated},
};
use std::{fs, io::Write};

fn line(record: &RunRecord) -> String {
    serde_json::to_string(record).unwrap() + "\n"
}

#[test]
fn files_are_merged_by_run_id_in_name_order_and_the_first_finished_record_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (mut early, mut late) = (record("ce", "{}", 0, 0.5), record("ce", "{}", 0, 0.6));
    (early.seconds, late.seconds) = (1.0, 2.0);
    fs::write(dir.path().join("c.jsonl"), line(&late)).unwrap();
    fs::write(dir.path().join("b.jsonl"), line(&early) + &line(&record("ce", "{}", 1, 0.5))).unwrap();
    fs::write(dir.path().join("a.jsonl"), line(&diverged("ce", "{}", 0))).unwrap();
    fs::write(dir.path().join("notes.txt"), "not a record file").unwrap();
    let store = RunStore::open(dir.path()).unwrap();
    assert_eq!(
        store.runs().iter().map(|run| (run.seed, run.seconds)).collect::<Vec<_>>(),
        [(0, 1.0), (1, 0.5)]
    );
    assert_eq!((store.duplicates(), store.warnings().len()), (2, 0));
    assert!(store.get(&early.run_id).is_some() && store.get("other").is_none());
}

#[test]
fn a_last_line_without_newline_counts_when_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.jsonl"), line(&record("ce", "{}", 0, 0.5)).trim_end()).unwrap();
    let store = RunStore::open(dir.path()).unwrap();
    assert_eq!((store.runs().len(), store.warnings().len()), (1, 0));
}

#[test]
fn compressed_files_are_read_and_a_cut_one_gives_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for seed in 0..2000 {
        lines += &line(&record("ce", "{}", seed, 0.5));
    }
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(lines.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let path = dir.path().join("a.jsonl.zst");
    fs::write(&path, &packed).unwrap();
    assert_eq!(RunStore::open(&path).unwrap().runs().len(), 2000);
    fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    let store = RunStore::open(dir.path()).unwrap();
    assert!(store.runs().len() < 2000);
    assert!(matches!(store.warnings(), [Warning::Unreadable { .. }]), "{:?}", store.warnings());
}

#[test]
fn a_run_is_found_by_the_beginning_of_its_id_and_read_again_in_full() {
    let dir = tempfile::tempdir().unwrap();
    let mut full = record("ce", "{}", 0, 0.5);
    full.per_class = Some(PerClass { accuracy: vec![Some(0.25)], ..PerClass::default() }.into());
    fs::write(dir.path().join("a.jsonl"), line(&record("ce", "{}", 1, 0.1)) + &line(&full)).unwrap();
    let store = RunStore::open(dir.path()).unwrap();
    let run = store.find(&full.run_id[..8]).unwrap();
    assert_eq!(store.record(run).unwrap(), full);
    let records = store.records(&[&*full.run_id, "unknown"].into()).unwrap();
    assert_eq!(records.into_values().collect::<Vec<_>>(), [full.clone()]);
    assert!(matches!(store.find("zz"), Err(RecordError::UnknownRun { nearest: None, .. })));
    assert!(matches!(store.find(""), Err(RecordError::AmbiguousRun { matches: 2, .. })));
    // One wrong digit of eight.
    let misspelt = format!("{}x{}", &full.run_id[..3], &full.run_id[4..8]);
    let Err(RecordError::UnknownRun { nearest, .. }) = store.find(&misspelt) else { panic!() };
    assert_eq!(nearest.as_deref(), Some(full.run_id.as_str()));
}

#[test]
fn what_has_the_name_of_a_record_file_and_is_none_is_a_warning_and_nothing_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.jsonl"), line(&record("ce", "{}", 0, 0.5))).unwrap();
    fs::create_dir(dir.path().join("folder.jsonl")).unwrap();
    let pipe = dir.path().join("pipe.jsonl.zst");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("a.jsonl", dir.path().join("link.jsonl")).unwrap();
    let store = RunStore::open(dir.path()).unwrap();
    assert_eq!((store.runs().len(), store.duplicates()), (1, 1));
    assert!(
        matches!(store.warnings(), [Warning::NoFile { .. }, Warning::NoFile { .. }]),
        "{:?}",
        store.warnings()
    );
    assert!(matches!(RunStore::open(&pipe), Err(RecordError::Io { .. })));
}

#[test]
fn per_class_numbers_of_states_that_a_later_sweep_recorded_are_read_with_those_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let numbers = |accuracy| PerClass { accuracy: vec![Some(accuracy)], ..PerClass::default() };
    let mut last = validated("ce", "{}", 0, 0.5, 0.75);
    let mut both = last.clone();
    last.metrics = last.metrics.into_iter().filter(|(protocol, _)| *protocol != Protocol::Val).collect();
    last.per_class = Some(numbers(0.0).into());
    both.per_class = Some(numbers(0.125).into());
    both.per_class_at.insert(5, numbers(0.75).into());
    fs::write(dir.path().join("a.jsonl"), line(&last)).unwrap();
    fs::write(dir.path().join("b.jsonl"), line(&both)).unwrap();
    let store = RunStore::open(dir.path()).unwrap();
    let record = store.records(&[&*last.run_id].into()).unwrap().remove(&last.run_id).unwrap();
    assert_eq!((record.per_class, record.per_class_at), (last.per_class, both.per_class_at));
}

#[test]
fn a_missing_folder_is_an_error_and_an_empty_one_an_empty_store() {
    let dir = tempfile::tempdir().unwrap();
    assert!(RunStore::open(dir.path()).unwrap().runs().is_empty());
    let error = RunStore::open(&dir.path().join("none")).unwrap_err();
    assert!(matches!(error, RecordError::NotFound { .. }), "{error}");
}

proptest::proptest! {
    #[test]
    fn damage_inside_a_line_loses_that_line_alone(flips in proptest::collection::vec((0_usize..4000, 0_u8..), 1..20)) {
        let dir = tempfile::tempdir().unwrap();
        let records = [0, 1, 2].map(|seed| record("ce", r#"{"lr":0.1}"#, seed, 0.5));
        let mut damaged = line(&records[1]).trim_end().as_bytes().to_vec();
        let length = damaged.len();
        for (place, value) in flips {
            damaged[place % length] = value;
        }
        damaged.push(b'\n');
        let bytes = [line(&records[0]).as_bytes(), &damaged, line(&records[2]).as_bytes()].concat();
        fs::write(dir.path().join("a.jsonl"), bytes).unwrap();
        let store = RunStore::open(dir.path()).unwrap();
        let whole = |i: usize| store.get(&records[i].run_id).is_some();
        proptest::prop_assert!(whole(0) && whole(2));
    }
}
