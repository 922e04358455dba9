//! Bad input: a clear error, exit code 2, nothing lost.

use crate::program::{Workplace, stderr};
use shared::{Dtype, FeatureCache, synthetic::SyntheticCache};
use std::fs;

const LORT: &str = "epochs = 1\n[[method]]\nname = \"lort\"\n";

/// The errors of sweeps that cannot run, as printed.
#[test]
fn sweeps_that_cannot_run_say_why() {
    let mut report = String::new();
    let mut case = |name: &str, cache: &SyntheticCache, grid: &str, prepare: &dyn Fn(&Workplace)| {
        let place = Workplace::new(cache);
        prepare(&place);
        let output = place.sweep(grid, "runs");
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        let message: Vec<_> =
            stderr(&output).lines().filter(|line| !line.starts_with("device:")).map(str::to_owned).collect();
        report += &format!("[{name}]\n{}\n", message.join("\n"));
        assert!(
            !place.path("runs").is_dir() || fs::read_dir(place.path("runs")).unwrap().count() == 0,
            "{name}"
        );
    };
    let normal = SyntheticCache::default();
    let nothing: &dyn Fn(&Workplace) = &|_| ();
    case("unknown method", &normal, "[[method]]\nname = \"lotr\"\n", nothing);
    case("value out of range", &normal, "[[method]]\nname = \"lort\"\ndelta = 2\n", nothing);
    case("no stage-1 head", &SyntheticCache { stage1_head: false, ..normal.clone() }, LORT, nothing);
    case("no augmented views", &normal, &format!("view = \"augmented\"\n{LORT}"), nothing);
    case("no test split", &SyntheticCache { test_per_class: 0, ..normal.clone() }, LORT, nothing);
    case(
        "classes without samples",
        &SyntheticCache { class_counts: vec![9, 0, 3, 0], ..normal.clone() },
        "[[method]]\nname = \"balanced-softmax\"\n",
        nothing,
    );
    case("no cache", &normal, LORT, &|place| fs::remove_dir_all(place.path("cache")).unwrap());
    case(
        "features are not finite",
        &SyntheticCache { dtype: Dtype::F16, ..normal.clone() },
        LORT,
        &|place| {
            let path = place.path("cache/train.clean/00001.safetensors");
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.len();
            bytes[end - 2..].copy_from_slice(&0x7c00_u16.to_le_bytes());
            fs::write(path, bytes).unwrap();
        },
    );
    case("cache is a file", &normal, LORT, &|place| {
        fs::remove_dir_all(place.path("cache")).unwrap();
        fs::write(place.path("cache"), "no folder").unwrap();
    });
    case("runs is a file", &normal, LORT, &|place| fs::write(place.path("runs"), "no folder").unwrap());
    insta::assert_snapshot!(report);
}

#[test]
fn methods_without_priors_cope_with_classes_without_samples() {
    let place = Workplace::new(&SyntheticCache { class_counts: vec![30, 0, 9], ..SyntheticCache::default() });
    let grid = "epochs = 1\n[[method]]\nname = \"lort\"\n[[method]]\nname = \"cb-ce\"\n[[method]]\nname = \"tau-norm\"\n";
    let output = place.sweep(grid, "runs");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_torn_last_record_is_a_warning_and_its_head_runs_again() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(LORT, "runs");
    let whole = place.records("runs");
    let mut files = fs::read_dir(place.path("runs")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.is_file()).unwrap();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let output = place.sweep(LORT, "runs");
    assert!(output.status.success() && stderr(&output).contains("warning:"), "{}", stderr(&output));
    assert!(place.records("runs") == whole, "the head ran again to another result");
}

#[test]
fn runs_of_two_caches_share_a_folder_and_stay_apart() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(LORT, "runs");
    fs::rename(place.path("cache"), place.path("first")).unwrap();
    SyntheticCache { seed: 1, ..SyntheticCache::default() }.write(&place.path("cache")).unwrap();
    place.sweep(LORT, "runs");
    assert_eq!(place.records("runs").len(), 2);
    let keys: Vec<_> =
        ["first", "cache"].map(|name| FeatureCache::open(&place.path(name)).unwrap().cache_key()).to_vec();
    for record in place.records("runs").values() {
        assert!(keys.contains(&record["cache_key"].as_str().unwrap().to_owned()));
    }
}

#[test]
fn export_refuses_what_it_cannot_repeat() {
    let place = Workplace::new(&SyntheticCache::default());
    place.sweep(LORT, "runs");
    let id = place.records("runs").into_keys().next().unwrap();
    fs::rename(place.path("cache"), place.path("first")).unwrap();
    SyntheticCache { seed: 1, ..SyntheticCache::default() }.write(&place.path("cache")).unwrap();
    let message = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(!place.path("head").exists());
        stderr(&output).replace(&id, "RUN")
    };
    let other = message(&["export", "runs", "--run", &id, "--out", "head"]);
    let unknown = message(&["export", "runs", "--run", "zzzz", "--out", "head"]);
    insta::assert_snapshot!(format!("{other}{unknown}"), @"
    error: run `RUN` cannot be trained again: `cache` holds other features
    hint: give the cache that it was trained on with `--cache`
    error: no run `zzzz` in `runs`
    hint: `retrainer report RUNS --format json` lists the run ids of each row
    ");
}

#[test]
fn a_head_of_another_cache_is_not_evaluated() {
    let place = Workplace::new(&SyntheticCache::default());
    let head = shared::Stage1Head {
        classes: 2,
        dim: 3,
        weight: vec![0.0; 6],
        bias: vec![0.0; 2],
        kind: shared::HeadKind::Linear,
    };
    head.write(&place.path("head")).unwrap();
    let output = place.run(&["evaluate", "--head", "head", "--cache", "cache"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(stderr(&output), @"
    error: `head` has a head of [2, 3], expected [5, 12]
    hint: evaluate the head on the cache that it was trained on
    ");
}
