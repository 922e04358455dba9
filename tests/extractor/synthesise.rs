//! `extractor synthesise`.

use crate::program::{Workplace, cache_files};
use cache::{FeatureCache, Split};

const SMALL: &str = "synthesise --classes 4 --max 40 --min 5 --dim 3 --val-per-class 2 --test-per-class 3";

#[test]
fn a_synthetic_cache_verifies_and_shows_its_sizes() {
    let place = Workplace::new();
    let said = place.ok(&format!("{SMALL} --out cache")).stderr;
    assert!(said.contains("synthesise: 95/95") && said.contains("wrote `cache`"), "{said}");
    assert!(place.ok("verify cache").stdout.starts_with("ok: 4 files"));
    let document: serde_json::Value =
        serde_json::from_str(&place.ok("inspect cache --format json").stdout).unwrap();
    // 40 (1/8)^(k/3) for k = 0 … 3.
    assert_eq!(document["manifest"]["train_class_counts"], serde_json::json!([40, 20, 10, 5]));
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    assert_eq!(Split::ALL.map(|split| cache.labels(split).len()), [75, 8, 12]);
    assert!(cache.stage1_head().is_some());
}

#[test]
fn the_same_seed_makes_the_same_bytes_and_another_seed_others() {
    let place = Workplace::new();
    for (out, seed) in [("one", 3), ("same", 3), ("other", 4)] {
        place.ok(&format!("{SMALL} --seed {seed} --out {out}"));
    }
    let files = |out: &str| cache_files(&place.path(out));
    assert!(files("one") == files("same"));
    assert!(files("one") != files("other"));
}

#[test]
fn a_named_shape_has_the_published_number_of_samples() {
    let place = Workplace::new();
    place.ok("synthesise --shape cifar100-lt --dim 2 --test-per-class 1 --out cache");
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    assert_eq!(Split::ALL.map(|split| cache.labels(split).len()), [10_847, 0, 100]);
    assert_eq!(cache.manifest().dataset.name, "synthetic cifar100-lt");
}

#[test]
fn a_finished_cache_stays_and_other_folders_are_refused() {
    let place = Workplace::new();
    place.ok(&format!("{SMALL} --out cache"));
    let again = place.ok(&format!("{SMALL} --out cache")).stderr;
    assert!(again.contains("finished already"), "{again}");
    insta::assert_snapshot!(place.refused(&format!("{SMALL} --seed 9 --out cache")), @"
    exit 2
    error: `cache` holds a dump with other settings: `dataset.seed` is 0 there, 9 here
    hint: choose another `--out`, or remove the folder first
    ");
    // The size of the test split has no field of its own in a manifest.
    let other = SMALL.replace("--test-per-class 3", "--test-per-class 4");
    insta::assert_snapshot!(place.refused(&format!("{other} --out cache")), @"
    exit 2
    error: `cache` holds a dump with other settings: `backbone.recipe.test_per_class` is 3 there, 4 here
    hint: choose another `--out`, or remove the folder first
    ");
    insta::assert_snapshot!(place.refused(&format!("{SMALL} --out /dev/null")), @"
    exit 2
    error: `/dev/null`: expected a folder, got a device
    hint: give a path where nothing is yet
    ");
    place.write("work/thesis.tex", "do not touch");
    insta::assert_snapshot!(place.refused(&format!("{SMALL} --out work")), @"
    exit 2
    error: `work` is not empty and holds no feature cache
    hint: choose another `--out`, or remove the folder first
    ");
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let place = Workplace::new();
    let refused = |arguments: &str| {
        let message = place.refused(&format!("synthesise --out cache {arguments}"));
        assert!(!place.path("cache").exists(), "refused before anything is written");
        message
    };
    insta::assert_snapshot!(refused("--shape imagenet-tl"), @"
    exit 2
    error: unknown shape `imagenet-tl`: known are cifar100-lt, imagenet-lt, inaturalist18
    hint: did you mean `imagenet-lt`?
    ");
    insta::assert_snapshot!(refused("--classes 3 --max 4 --min 5 --dim 2"), @"
    exit 2
    error: `--min`: expected at most `--max` 4, got 5
    hint: the largest class comes first
    ");
    insta::assert_snapshot!(refused("--classes 1000000 --max 4 --min 1 --dim 4000000000"), @"
    exit 2
    error: `--dim`: expected at most 268435456 numbers in a head of 1000000 classes, got 4000000000 features, 4000000000000000 numbers
    hint: give fewer classes or features
    ");
    insta::assert_snapshot!(refused("--classes 100 --max 4000000000 --min 1 --dim 2"), @"
    exit 2
    error: `--max`: expected at most 4294967295 samples in all splits, got 19985187141
    hint: give fewer classes or samples
    ");
    let missing = refused("--classes 3 --dim 2");
    assert!(missing.starts_with("exit 2") && missing.contains("--max"), "{missing}");
    let zero = refused("--classes 0 --max 1 --min 1 --dim 2");
    assert!(zero.starts_with("exit 2") && zero.contains("--classes"), "{zero}");
}
