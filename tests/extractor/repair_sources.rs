//! `extractor verify --repair` for every kind of network and of image list that a cache can come from.

use crate::{
    dump::{DATA, MACHINE, trained},
    photographs::lists,
    program::{Workplace, files},
};

/// Flips a bit of a file.
fn damage(place: &Workplace, file: &str) {
    let mut bytes = std::fs::read(place.path(file)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(place.path(file), bytes).unwrap();
}

/// Dumps, damages one shard of the test split, and repairs.
fn comes_back(place: &Workplace, cache: &str, dump: &str, network: &str, data: &str) {
    place.ok(&format!("dump {network} {dump} --out {cache}"));
    let before = files(&place.path(cache));
    damage(place, &format!("{cache}/test.clean/00000.safetensors"));
    let from = network.split(" --backbone").next().unwrap();
    let run = place.ok(&format!("verify {cache} --repair {from} {data} --device cpu --threads 1"));
    assert!(run.stdout.contains("ok: "), "{}", run.stdout);
    assert!(files(&place.path(cache)) == before, "{cache}: other bytes");
}

#[test]
fn weights_modules_and_other_layers_repair_their_caches() {
    let place = trained();
    let data = format!("{DATA} --data data {MACHINE}");
    let weights = "--weights base/checkpoint.safetensors --backbone resnet18 --width 0.25";
    comes_back(place, "repair-weights", &data, weights, "--data data");
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/backbones/logits.torchscript");
    place.write("repair.pt", std::fs::read(module).unwrap());
    comes_back(place, "repair-module", &data, "--torchscript repair.pt", "--data data");
    let kept = format!("{data} --keep-last-linear");
    comes_back(place, "repair-kept", &kept, "--torchscript repair.pt", "--data data");
    let layer = format!("{data} --layer stage2 --pooling max");
    comes_back(place, "repair-layer", &layer, "--checkpoint base", "--data data");
}

#[test]
fn the_head_and_the_running_statistics_come_back() {
    let place = trained();
    place.ok(&format!(
        "dump --checkpoint base {DATA} --data data {MACHINE} --augmented 2 --batch-norm train --out repair-all"
    ));
    let before = files(&place.path("repair-all"));
    let repair = "verify repair-all --repair --checkpoint base --data data --device cpu --threads 1";
    damage(place, "repair-all/stage1_head.safetensors");
    place.ok(repair);
    assert!(files(&place.path("repair-all")) == before, "another head");
    damage(place, "repair-all/batch_norm.safetensors");
    damage(place, "repair-all/val.clean/00000.safetensors");
    std::fs::remove_file(place.path("repair-all/stage1_head.safetensors")).unwrap();
    let run = place.ok(repair);
    assert!(run.stdout.contains("ok: "), "{}", run.stdout);
    assert!(files(&place.path("repair-all")) == before, "other bytes");
}

#[test]
fn lists_that_no_manifest_records_are_given_again() {
    let place = Workplace::new();
    lists(&place);
    let machine = "--device cpu --threads 1";
    let sizes = "--resize 36 --crop 32";
    let split = "--train-list images/ImageNet_LT_train.txt --test-list images/ImageNet_LT_test.txt";
    place.ok(&format!(
        "train --dataset list --data images {split} {machine} {sizes} --backbone resnet32 --epochs 1 --batch-size 5 --out base"
    ));
    let dump = format!("--dataset list --data images {split} {machine} {sizes}");
    let weights = "--weights base/checkpoint.safetensors --backbone resnet32";
    comes_back(&place, "list", &dump, weights, &format!("--data images {split}"));
    damage(&place, "list/test.clean/00000.safetensors");
    let damaged = files(&place.path("list"));
    let refused = |more: &str| {
        let line = format!(
            "verify list --repair --weights base/checkpoint.safetensors --data images {machine} {more}"
        );
        let run = place.run(&line);
        assert_eq!(run.code, Some(2), "{more}: {}", run.stderr);
        run.stderr
    };
    assert!(refused("").contains("--train-list"));
    let other = refused(&split.replace("LT_test", "LT_val"));
    assert!(
        other.contains(
            "expected the backbone and images of the dump, got others: the data set has other files"
        ),
        "{other}"
    );
    let two = refused(&format!("{split} --checkpoint base"));
    assert!(two.contains("cannot be used with"), "{two}");
    assert!(files(&place.path("list")) == damaged, "something was changed");
}

#[test]
fn a_folder_is_repaired_with_the_fraction_it_was_split_by() {
    let place = Workplace::new();
    for class in 0..2 {
        for number in 0..8 {
            place.write(&format!("photos/{class}/{number}.jpg"), crate::photographs::jpeg(class, number));
        }
    }
    let data = "--dataset folder --data photos --test-fraction 0.5 --split-seed 3 --device cpu --threads 1 --resize 36 --crop 32";
    place.ok(&format!("train {data} --backbone resnet32 --epochs 1 --batch-size 4 --out base"));
    comes_back(
        &place,
        "cache",
        data,
        "--checkpoint base",
        "--data photos --test-fraction 0.5 --split-seed 3",
    );
    damage(&place, "cache/train.clean/00000.safetensors");
    let damaged = files(&place.path("cache"));
    let run = place.run(
        "verify cache --repair --checkpoint base --data photos --test-fraction 0.5 --device cpu --threads 1",
    );
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(files(&place.path("cache")) == damaged, "something was changed");
}
