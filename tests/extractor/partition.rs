//! `dump --partition` and `merge`: several processes write one cache.

use crate::{
    dump::{DATA, MACHINE, trained},
    program::{Files, cache_files},
};
use std::{path::Path, process::Stdio, sync::OnceLock};

fn dump(out: &str, more: &str) -> String {
    format!(
        "dump --checkpoint base {DATA} --data data {MACHINE} --augmented 2 --batch-size 4 --shard-rows 8 {more} --out {out}"
    )
}

/// The files of a dump in one go.
fn in_one_go() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        trained().ok(&dump("in-one-go", ""));
        cache_files(&trained().path("in-one-go"))
    })
}

fn assert_whole(cache: &Path) {
    assert!(cache_files(cache) == *in_one_go(), "`{}` has other bytes", cache.display());
}

#[test]
fn partitions_in_any_order_and_more_than_once_make_the_cache_of_one_go() {
    let place = trained();
    let part = |partition: &str| {
        let run = place.ok(&dump("parts", &format!("--partition {partition}")));
        run.stderr.lines().last().unwrap().to_owned()
    };
    insta::assert_snapshot!(part("3/3"), @"this partition of `parts` is written; 20 shards of others are missing, and the last partition makes it a cache");
    assert_eq!(part("3/3"), part("3/3"));
    part("1/3");
    let refused = place.run("verify parts");
    assert!(refused.code == Some(2) && refused.stderr.contains("unfinished"), "{}", refused.stderr);
    insta::assert_snapshot!(part("2/3"), @"wrote `parts`");
    assert_whole(&place.path("parts"));
    place.ok("verify parts");
    insta::assert_snapshot!(part("1/3"), @"`parts` is finished already, with the same settings");
    assert_whole(&place.path("parts"));
}

#[test]
fn partitions_at_once_even_the_same_ones_do_not_disturb_each_other() {
    let place = trained();
    let children: Vec<_> = ["1/2", "2/2", "2/2", "1/2", "1/1"]
        .map(|partition| {
            let mut command = place.command(&dump("at-once", &format!("--partition {partition}")));
            command.stderr(Stdio::piped()).spawn().unwrap()
        })
        .into_iter()
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_whole(&place.path("at-once"));
}

#[test]
fn a_damaged_shard_of_an_unfinished_dump_is_written_again() {
    let place = trained();
    place.ok(&dump("torn", "--partition 1/2"));
    let shard = place.path("torn/train.clean/00000.safetensors");
    let bytes = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, &bytes[..100]).unwrap();
    place.ok(&dump("torn", "--partition 2/2"));
    assert!(!place.path("torn/manifest.json").exists());
    place.ok(&dump("torn", "--partition 1/2"));
    assert_whole(&place.path("torn"));
}

#[test]
fn merge_finishes_what_no_partition_has_and_needs_no_images() {
    let place = trained();
    place.ok(&dump("merged", "--partition 1/2"));
    insta::assert_snapshot!(place.refused("merge merged"), @"
    exit 2
    error: 15 of 30 shards of `merged` are missing: train.clean/00001.safetensors, train.clean/00003.safetensors, train.clean/00005.safetensors, train.augmented-00/00001.safetensors, train.augmented-00/00003.safetensors and 10 more
    hint: run the `extractor dump` that began it, or its other partitions: they write what is missing
    ");
    let announced = std::fs::read(place.path("merged/manifest.partial.json")).unwrap();
    place.ok(&dump("merged", "--partition 2/2"));
    // As if the last partition had been killed between its last shard and the manifest.
    std::fs::remove_file(place.path("merged/manifest.json")).unwrap();
    std::fs::remove_file(place.path("merged/test.clean/features.safetensors.index.json")).unwrap();
    place.write("merged/manifest.partial.json", announced);
    insta::assert_snapshot!(place.ok("merge merged").stderr, @"wrote `merged`");
    assert_whole(&place.path("merged"));
    insta::assert_snapshot!(place.ok("merge merged").stderr, @"`merged` is finished already");
    insta::assert_snapshot!(place.refused("merge nowhere"), @"
    exit 2
    error: `nowhere` is not a feature cache: no `manifest.json`
    hint: there is no such folder: check the path, or make a cache with `extractor dump` or `extractor import`
    ");
}

#[test]
fn partitions_that_cannot_share_a_dump_are_refused() {
    let place = trained();
    place.ok(&dump("shared-by-two", "--partition 1/2"));
    let with = |more: &str| place.refused(&dump("shared-by-two", more).replace("--augmented 2", ""));
    insta::assert_snapshot!(with("--partition 2/2 --augmented 2 --dtype f32"), @r#"
    exit 2
    error: `shared-by-two` holds a dump with other settings: `--dtype` is "f16" there, "f32" here
    hint: choose another `--out`, or remove the folder first
    "#);
    insta::assert_snapshot!(with("--partition 2/2"), @r#"
    exit 2
    error: `shared-by-two` holds a dump with other settings: `--augmented` (views, `--seed`, sizes) is "seed(0)|crop(32,pad=4)|flip(0.5)|normalise(0.4914 0.4822 0.4465,0.2023 0.199... there, none here
    hint: choose another `--out`, or remove the folder first
    "#);
    insta::assert_snapshot!(place.refused(&dump("in-training-mode", "--partition 1/2 --batch-norm train")), @"
    exit 2
    error: `--partition`: expected none with `--batch-norm train`, got 1/2
    hint: the running statistics go through all passes in one process
    ");
    let untrained = dump("untrained", "--partition 1/2").replace("--checkpoint base", "");
    insta::assert_snapshot!(place.refused(&untrained), @"
    exit 2
    error: `--partition`: expected a trained backbone, got neither `--checkpoint` nor `--weights` nor `--torchscript`
    hint: train once with `extractor train`, and give its checkpoint to every partition
    ");
    assert!(!place.path("in-training-mode").exists() && !place.path("untrained").exists());
    let run = place.run(&dump("x", "--partition 3/2"));
    assert!(run.code == Some(2) && run.stderr.contains("expected I/N with 1 ≤ I ≤ N"), "{}", run.stderr);
}
