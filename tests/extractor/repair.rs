//! `extractor verify --repair`: damaged shards come back with the bytes that they had.

use crate::{
    dump::{DATA, MACHINE, trained},
    images::mirrored,
    program::{Workplace, files},
};
use cache::{FeatureCache, Split, View};

fn dumped(cache: &str, more: &str) -> &'static Workplace {
    let place = trained();
    place.ok(&format!(
        "dump --checkpoint base {DATA} --data data {MACHINE} --augmented 2 --batch-size 8 --shard-rows 8 --seed 5 {more} --out {cache}"
    ));
    place
}

fn repair(cache: &str, more: &str) -> String {
    format!("verify {cache} --repair --checkpoint base --data data --device cpu --threads 1 {more}")
}

/// What follows the progress.
fn error_of(stderr: &str) -> String {
    stderr.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>().join("\n")
}

/// Flips a bit, removes a shard, and cuts one.
fn damage(place: &Workplace, cache: &str) {
    let shard = |name: &str| place.path(cache).join(name);
    let flipped = shard("train.augmented-01/00001.safetensors");
    let mut bytes = std::fs::read(&flipped).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&flipped, bytes).unwrap();
    std::fs::remove_dir_all(shard("test.flipped")).unwrap();
    let cut = shard("val.clean/00000.safetensors");
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
}

fn damaged_shards_come_back(batch_norm: &str) {
    let cache = format!("repaired-{batch_norm}");
    let place = dumped(&cache, &format!("--batch-norm {batch_norm}"));
    let before = files(&place.path(&cache));
    let whole = place.path(&cache).join("train.clean/00000.safetensors");
    let modified = || std::fs::metadata(&whole).unwrap().modified().unwrap();
    let written = modified();
    damage(place, &cache);
    assert_eq!(place.run(&format!("verify {cache}")).code, Some(1));
    let run = place.ok(&repair(&cache, "--batch-size 8"));
    assert!(run.stdout.contains("ok: "), "{}", run.stdout);
    assert!(files(&place.path(&cache)) == before, "other bytes");
    assert_eq!(modified(), written, "a whole shard is left alone");
}

/// A cache as version 1 of the manifest has it: sentences in the place of structures, and no digest of itself.
fn as_version_1(place: &Workplace, cache: &str) {
    let manifest = FeatureCache::open(&place.path(cache)).unwrap().manifest().clone();
    let mut value = serde_json::to_value(&manifest).unwrap();
    value["format_version"] = 1.into();
    value["backbone"]["architecture"] = manifest.backbone.architecture.to_string().into();
    for (name, steps) in &manifest.transforms {
        value["transforms"][name] = steps.to_string().into();
    }
    std::fs::write(place.path(cache).join("manifest.json"), format!("{value:#}\n")).unwrap();
}

#[test]
fn a_cache_of_version_1_keeps_its_key_and_is_verified_repaired_and_found_finished() {
    let cache = "of-version-1";
    let place = dumped(cache, "--batch-norm train");
    let key = || FeatureCache::open(&place.path(cache)).unwrap().cache_key();
    let before = key();
    as_version_1(place, cache);
    let bytes = files(&place.path(cache));
    assert_eq!(key(), before);
    damage(place, cache);
    let run = place.ok(&repair(cache, "--batch-size 8"));
    assert!(run.stdout.contains("ok: "), "{}", run.stdout);
    assert!(files(&place.path(cache)) == bytes, "other bytes");
    dumped(cache, "--batch-norm train");
    assert!(files(&place.path(cache)) == bytes, "the same dump is found finished");
}

#[test]
fn damaged_shards_are_computed_again_and_no_others() {
    damaged_shards_come_back("eval");
}

#[test]
fn damaged_shards_of_a_network_in_training_mode_are_computed_again() {
    damaged_shards_come_back("train");
}

#[test]
fn what_is_not_the_dumps_own_repairs_nothing() {
    let place = dumped("not-repaired", "");
    damage(place, "not-repaired");
    let before = files(&place.path("not-repaired"));
    mirrored(place, "data", "data-for-repair");
    let refused = |line: &str| {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        error_of(&run.stderr)
    };
    insta::with_settings!({filters => vec![(r"[0-9a-f]{64}", "[DIGEST]")]}, {
        let other_images = repair("not-repaired", "--batch-size 8").replace("--data data", "--data data-for-repair");
        insta::assert_snapshot!(refused(&other_images), @"
        error: `--repair`: expected the backbone and images of the dump, got others: the data set has other files, by names, labels, sizes or contents
        hint: give the backbone, data, lists and `--precision` of the dump
        ");
        insta::assert_snapshot!(refused(&repair("not-repaired", "--batch-size 8 --precision bf16")), @r#"
        error: `--repair`: expected the backbone and images of the dump, got others: `--precision` is "activations(f32)" there, "activations(bf16)" here
        hint: give the backbone, data, lists and `--precision` of the dump
        "#);
    });
    let run = place.run("verify not-repaired --repair");
    assert!(run.code == Some(2) && run.stderr.contains("--checkpoint"), "{}", run.stderr);
    assert!(files(&place.path("not-repaired")) == before, "something was changed");
}

/// The manifest's checksum is the last word, whatever the settings say.
#[test]
fn a_shard_that_comes_out_otherwise_takes_no_place() {
    let place = dumped("otherwise", "");
    let manifest = place.path("otherwise/manifest.json");
    let id = cache::ViewId::new(Split::Test, View::Clean).to_string();
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("manifest_blake3");
    value["views"][id.as_str()]["shards"][0]["blake3"] = "0".repeat(64).into();
    std::fs::write(&manifest, value.to_string()).unwrap();
    let before = files(&place.path("otherwise"));
    let run = place.run(&repair("otherwise", "--batch-size 8"));
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    insta::with_settings!({filters => vec![(r"[0-9a-f]{64}", "[DIGEST]")]}, {
        insta::assert_snapshot!(error_of(&run.stderr), @"
        error: `otherwise/test.clean/00000.safetensors` came out with checksum [DIGEST], expected [DIGEST]
        hint: it was not replaced: equal bytes need the `--batch-size`, `--threads` and kind of device of the dump
        ");
    });
    assert!(files(&place.path("otherwise")) == before, "something was changed");
}
