//! `extractor verify`.

use crate::{import::write_safetensors, program::Workplace};

fn imported() -> Workplace {
    let place = Workplace::new();
    write_safetensors(&place);
    place.ok("import --train train.safetensors --test test.safetensors --shard-rows 4 --out cache");
    place
}

#[test]
fn a_whole_cache_passes() {
    let run = imported().ok("verify cache");
    insta::assert_snapshot!(run.stdout, @"ok: 7 files, 2.75 KiB: every checksum is right, every feature is finite");
}

#[test]
fn every_damaged_file_is_named() {
    let place = imported();
    let shard = place.path("cache/train.clean/00001.safetensors");
    let mut bytes = std::fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    std::fs::remove_file(place.path("cache/train.flipped/00002.safetensors")).unwrap();
    let cut = place.path("cache/test.clean/00000.safetensors");
    let length = std::fs::metadata(&cut).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&cut).unwrap().set_len(length - 1).unwrap();
    let run = place.run("verify cache");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    insta::with_settings!({filters => vec![(r"[0-9a-f]{64}", "[DIGEST]")]}, {
        insta::assert_snapshot!(run.stdout, @"
        damaged: `cache/train.clean/00001.safetensors` has checksum [DIGEST], expected [DIGEST]
        damaged: shard `cache/train.flipped/00002.safetensors` is missing
        damaged: `cache/test.clean/00000.safetensors` has 415 bytes, expected 416
        ");
    });
}

#[test]
fn a_feature_that_is_not_finite_is_damage() {
    let place = imported();
    let shard = place.path("cache/train.clean/00001.safetensors");
    let mut bytes = std::fs::read(&shard).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&shard, &bytes).unwrap();
    // With a checksum that fits: whoever wrote it did not look.
    let manifest = place.path("cache/manifest.json");
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("manifest_blake3");
    value["views"]["train.clean"]["shards"][1]["blake3"] = blake3::hash(&bytes).to_hex().to_string().into();
    std::fs::write(&manifest, value.to_string()).unwrap();
    let run = place.run("verify cache");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    insta::assert_snapshot!(run.stdout, @"damaged: row 3 of `cache/train.clean/00001.safetensors` holds a feature that is not finite");
}

/// One digit of a name, for example: nothing else would contradict it.
#[test]
fn an_edited_manifest_is_named() {
    let place = imported();
    let manifest = place.path("cache/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"version\": \"0.1.0\"", "\"version\": \"0.1.1\"")).unwrap();
    let run = place.run("verify cache");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    insta::with_settings!({filters => vec![(r"[0-9a-f]{64}", "[DIGEST]")]}, {
        insta::assert_snapshot!(run.stdout, @"damaged: `cache/manifest.json` was changed after it was written: its digest is [DIGEST], and it says [DIGEST]");
    });
    assert!(run.stderr.contains("not edited by hand"), "{}", run.stderr);
    std::fs::write(&manifest, text).unwrap();
    std::fs::write(place.path("cache/train.clean/features.safetensors.index.json"), "{}").unwrap();
    let run = place.run("verify cache");
    assert!(run.code == Some(1) && run.stdout.contains("index.json"), "{}", run.stdout);
}

#[test]
fn a_manifest_of_an_earlier_version_is_read_and_said_to_be_without_digest() {
    let place = imported();
    let manifest = place.path("cache/manifest.json");
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("manifest_blake3");
    std::fs::write(&manifest, value.to_string()).unwrap();
    let run = place.ok("verify cache");
    assert!(run.stderr.contains("carries no digest of itself"), "{}", run.stderr);
}

#[test]
fn what_is_no_cache_could_not_be_checked() {
    let place = Workplace::new();
    insta::assert_snapshot!(place.refused("verify nowhere"), @"
    exit 2
    error: `nowhere` is not a feature cache: no `manifest.json`
    hint: there is no such folder: check the path, or make a cache with `extractor dump` or `extractor import`
    ");
}

#[test]
fn the_progress_ends_at_its_length() {
    let run = imported().ok("verify cache");
    let line = run.stderr.lines().find_map(|line| line.strip_prefix("verify: ")).unwrap();
    let (done, length) = line.split_once(' ').unwrap().0.split_once('/').unwrap();
    assert_eq!(done, length, "{}", run.stderr);
}

#[test]
fn what_the_manifest_does_not_list_is_named() {
    let place = imported();
    let quiet = place.ok("verify cache").stderr;
    assert!(!quiet.contains("warning"), "{quiet}");
    // A killed writer's file is no guest.
    place.write("cache/train.clean/.longtail-abcdefghijkl.tmp", "half");
    assert!(!place.ok("verify cache").stderr.contains("warning"));
    place.write("cache/train.clean/00099.safetensors", "of another dump?");
    place.write("cache/notes/today.txt", "mine");
    place.write("cache/red\u{1b}[31m.txt", "mine");
    let run = place.ok("verify cache");
    assert!(run.stdout.starts_with("ok: 7 files"), "{}", run.stdout);
    let warning = run.stderr.lines().find(|line| line.starts_with("warning")).unwrap();
    insta::assert_snapshot!(warning, @r"warning: in `cache` and not in its manifest, so not checked: `notes/`, `red\u{1b}[31m.txt`, `train.clean/00099.safetensors`");
    for number in 0..60 {
        place.write(&format!("cache/more-{number}.txt"), "mine");
    }
    let run = place.ok("verify cache");
    assert!(
        run.stderr.lines().any(|line| line.starts_with("warning")
            && line.ends_with(&format!(" and {} more", 63 - cache::LeftOut::NAMES))),
        "{}",
        run.stderr
    );
}
