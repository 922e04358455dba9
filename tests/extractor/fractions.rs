//! Splits that are drawn by `--val-fraction`, `--test-fraction` and `--group-file`: of photographs, lists and imported rows.

use crate::{
    data_sets::{dump_line, folders},
    import::{rows, safetensors, write_safetensors},
    photographs::{jpeg, lists},
    program::Workplace,
};
use cache::{FeatureCache, Split};
use std::{collections::BTreeSet, fmt::Write};

fn open(place: &Workplace, cache: &str) -> FeatureCache {
    FeatureCache::open(&place.path(cache)).unwrap()
}

fn ids(cache: &FeatureCache, split: Split) -> BTreeSet<i64> {
    cache.sample_ids(split).iter().copied().collect()
}

#[test]
fn a_folder_without_splits_gets_both_and_says_what_they_are() {
    let place = Workplace::new();
    folders(&place, "photos", &[("ant", 10), ("bee", 3), ("cat", 2), ("dog", 1)]);
    let run = place
        .ok(&dump_line("--dataset folder --data photos --test-fraction 0.2 --val-fraction 0.1", "cache"));
    let said: Vec<&str> =
        run.stderr.lines().filter(|line| line.starts_with("drawn") || line.starts_with("warning")).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    drawn 0.1 for validation, 0.2 for the test, seed 0: 10 training images, 2 validation (12.5 %), 4 test (25.0 %)
    warning: 2 of 4 classes have no validation images (cat, dog)
    warning: 1 of 4 classes have no test images (dog)
    ");
    let cache = open(&place, "cache");
    assert_eq!(cache.class_counts().counts(), [7, 1, 1, 1]);
    let of = |split| ids(&cache, split);
    let (train, val, test) = (of(Split::Train), of(Split::Val), of(Split::Test));
    assert_eq!((train.len(), val.len(), test.len()), (10, 2, 4));
    let all: BTreeSet<i64> = train.iter().chain(&val).chain(&test).copied().collect();
    assert_eq!(all.len(), 16, "each image in one split");
    let drawn = cache.manifest().dataset.drawn.clone().unwrap();
    assert_eq!((drawn.val_fraction, drawn.test_fraction, drawn.seed), (Some(0.1), Some(0.2), 0));
    // The whole of it again, and a repair that needs no fraction.
    let again = place
        .ok(&dump_line("--dataset folder --data photos --test-fraction 0.2 --val-fraction 0.1", "cache"));
    assert!(again.stderr.contains("is finished already"), "{}", again.stderr);
    std::fs::remove_file(place.path("cache/test.clean/00000.safetensors")).unwrap();
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/backbones/logits.torchscript");
    place.ok(&format!("verify cache --repair --torchscript {module} --data photos --device cpu --threads 1"));
}

#[test]
fn a_list_without_test_images_is_divided_and_one_that_has_them_is_not() {
    let place = Workplace::new();
    lists(&place);
    let one = "--dataset list --data images --train-list images/ImageNet_LT_train.txt --test-fraction 0.25 --split-seed 4";
    place.ok(&dump_line(one, "one"));
    assert_eq!(open(&place, "one").class_counts().counts(), [4, 3, 1]);
    let refused = |data: &str| {
        let text = place.refused(&dump_line(data, "refused"));
        text.lines().filter(|line| !line.starts_with("device")).collect::<Vec<_>>().join("\n")
    };
    let data = "--dataset imagenet-lt --data images";
    insta::assert_snapshot!(refused(&format!("{data} --test-fraction 0.2")), @"
    exit 2
    error: `--test-fraction`: expected a data set without a split of its own, got 0.2 for one that has it
    hint: leave it out: the split that is there is taken
    ");
    insta::assert_snapshot!(refused(&format!("{data} --val-fraction 0.2")), @"
    exit 2
    error: `--val-fraction`: expected a data set without a split of its own, got 0.2 for one that has it
    hint: leave it out: the split that is there is taken
    ");
    insta::assert_snapshot!(refused("--dataset list --data images --train-list images/ImageNet_LT_train.txt"), @"
    exit 2
    error: `--test-list`: expected a list with `relative/path.jpg label` on each line, got nothing
    hint: `--test-fraction 0.2` keeps a fifth of each class of the training list in its place
    ");
    insta::assert_snapshot!(refused(&format!("{one} --val-per-class 1 --val-fraction 0.1")), @"
    exit 2
    error: `--val-fraction`: expected no `--val-per-class` beside it, got both
    hint: give one of the two
    ");
    insta::assert_snapshot!(refused(&format!("{data} --split-seed 3")), @"
    exit 2
    error: `--split-seed`: expected `--val-fraction` or `--test-fraction` with it, got none
    hint: it draws those
    ");
    // A validation split is drawn beside a test split of the data set's own.
    std::fs::remove_file(place.path("images/ImageNet_LT_val.txt")).unwrap();
    place.ok(&dump_line(&format!("{data} --val-fraction 0.25"), "val"));
    let cache = open(&place, "val");
    assert_eq!((cache.class_counts().counts(), cache.labels(Split::Val).len()), (&[4, 3, 1][..], 4));
    assert_eq!(cache.labels(Split::Test).len(), 6);
}

#[test]
fn images_of_one_camera_lie_in_one_split() {
    let place = Workplace::new();
    let mut table = "path,camera\n".to_owned();
    for class in 0..2 {
        for number in 0..12 {
            let name = format!("{}/{number}.jpg", ["ant", "bee"][class as usize]);
            place.write(&format!("photos/{name}"), jpeg(class, number));
            writeln!(table, "{name},{}", number % 6).unwrap();
        }
    }
    place.write("cameras.csv", table);
    let data = "--dataset folder --data photos --test-fraction 0.3 --group-file cameras.csv";
    place.ok(&dump_line(data, "cache"));
    let cache = open(&place, "cache");
    let (train, test) = (cameras(&place, &cache, Split::Train), cameras(&place, &cache, Split::Test));
    assert!(train.is_disjoint(&test) && !test.is_empty(), "{train:?} {test:?}");
    place.write("cameras.csv", "path,camera\nant/0.jpg,1\n");
    let text = place.refused(&dump_line(data, "refused"));
    insta::assert_snapshot!(text.lines().filter(|line| !line.starts_with("device")).collect::<Vec<_>>().join("\n"), @"
    exit 2
    error: `cameras.csv`: expected a group for every sample, got none for 23 of 24 (`ant/1.jpg` …)
    hint: paths are relative to `--data`; a sample on its own takes a group of its own
    ");
}

/// The cameras of a split by the names of its images, which lie in name order: `0, 1, 10, 11, 2 …`
fn cameras(place: &Workplace, cache: &FeatureCache, split: Split) -> BTreeSet<u32> {
    let mut names: Vec<String> = Vec::new();
    for class in ["ant", "bee"] {
        let mut of_class: Vec<String> = std::fs::read_dir(place.path(&format!("photos/{class}")))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        of_class.sort_unstable();
        names.extend(of_class);
    }
    let number =
        |id: &i64| names[usize::try_from(*id).unwrap()].trim_end_matches(".jpg").parse::<u32>().unwrap();
    cache.sample_ids(split).iter().map(|id| number(id) % 6).collect()
}

#[test]
fn imported_rows_are_divided_and_keep_their_ids() {
    let place = Workplace::new();
    write_safetensors(&place);
    let run = place.ok("import --train train.safetensors --test-fraction 0.3 --val-fraction 0.2 --out cache");
    insta::assert_snapshot!(run.stderr.lines().filter(|line| !line.contains(" in ")).collect::<Vec<_>>().join("\n"), @"
    drawn 0.2 for validation, 0.3 for the test, seed 0: 4 training rows, 3 validation (30.0 %), 3 test (30.0 %)
    wrote `cache`
    ");
    let cache = open(&place, "cache");
    let all: BTreeSet<i64> = Split::ALL.iter().flat_map(|&split| ids(&cache, split)).collect();
    assert_eq!(all, (991..=1000).collect());
    let refused = |line: &str| place.refused(line);
    insta::assert_snapshot!(refused("import --train train.safetensors --test test.safetensors --test-fraction 0.3 --out none"), @"
    exit 2
    error: `--test-fraction`: expected no `--test` beside it, got both
    hint: give one of the two
    ");
    insta::assert_snapshot!(refused("import --train train.safetensors --test test.safetensors --group-file groups.csv --out none"), @"
    exit 2
    error: `--group-file`: expected `--val-fraction` or `--test-fraction` with it, got none
    hint: it says which samples a drawn split keeps together
    ");
    // The rows of a file that are written in another order go to the same splits.
    let mut turned = rows(10, 0);
    turned.features = turned.features.chunks(6).rev().flatten().copied().collect();
    turned.labels.reverse();
    let ids_turned: Vec<i64> = (0..10).map(|row| 991 + row).collect();
    place.write("turned.safetensors", safetensors(&turned, None, Some(&ids_turned)));
    place.ok("import --train turned.safetensors --test-fraction 0.3 --val-fraction 0.2 --out turned");
    let turned = open(&place, "turned");
    for split in Split::ALL {
        assert_eq!(ids(&turned, split), ids(&cache, split), "{split}");
    }
}
