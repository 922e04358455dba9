//! `extractor predict`: new images, a head and its backbone to a table; the same labels as the head gives on cached features.

use crate::{
    data_sets::{dump_line, folders},
    program::Workplace,
};
use cache::{
    FeatureCache, Split, View,
    head::{self, Head, HeadForm},
};
use longtail::random;
use std::{collections::BTreeMap, path::Path};

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/backbones/logits.torchscript");
const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/backbones/features.torchscript");

/// `photos/` in three classes, dumped into `cache` with a test split, and `head.safetensors` for its features.
fn prepared() -> Workplace {
    let place = Workplace::new();
    folders(&place, "photos", &[("ant", 8), ("bee, big", 6), ("cat", 5)]);
    place.ok(&dump_line("--dataset folder --data photos --test-fraction 0.4", "cache"));
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    write_head(&place, "head.safetensors", &about(&cache));
    place
}

/// What an export says of a head over this cache.
fn about(cache: &FeatureCache) -> BTreeMap<String, String> {
    let manifest = cache.manifest();
    [
        ("class_names", serde_json::json!(manifest.class_names)),
        ("transform", manifest.said()["transforms"].clone()),
        ("backbone", manifest.said()["backbone"].clone()),
        ("dtype", serde_json::json!(manifest.dtype)),
        ("test_time_augmentation", true.into()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_string()))
    .into()
}

/// A head of random rows that looks from the middle of the test features, so that several classes are predicted.
fn write_head(place: &Workplace, name: &str, about: &BTreeMap<String, String>) {
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    let (dim, rows) = (cache.dim(), cache.labels(Split::Test).len());
    let mut features = vec![0.0; rows * dim];
    cache.view(Split::Test, View::Clean).unwrap().read_rows(0..rows, &mut features).unwrap();
    let column = |d: usize| features.iter().skip(d).step_by(dim).sum::<f32>();
    let centre = (0..dim).map(|d| column(d) / features.len() as f32 * dim as f32).collect();
    let mut rng = random::stream(7, "head of the test", 0);
    #[expect(clippy::cast_possible_truncation, reason = "any numbers do")]
    let weight = (0..3 * dim).map(|_| random::uniform_in(&mut rng, [-2.0, 2.0]) as f32).collect();
    let head = Head::of_rows(weight, vec![0.0; 3], HeadForm::UnitFeatures { centre });
    let path = place.path(name);
    std::fs::write(&path, head::bytes(&head, about, &path).unwrap()).unwrap();
}

/// The rows of a CSV file without its header, split at commas outside quotes.
fn csv_rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn predict(rest: &str) -> String {
    format!("predict --head head.safetensors --torchscript {MODULE} --device cpu --threads 1 {rest}")
}

#[test]
fn the_labels_are_those_that_the_head_gives_on_the_cached_features() {
    let place = prepared();
    let run = place.ok(&predict("photos --top 3 --out predictions.csv"));
    assert!(run.stderr.contains("19 images → `predictions.csv`"), "{}", run.stderr);
    let rows = csv_rows(&place.path("predictions.csv"));
    assert_eq!(rows.len(), 19);
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    let (head, _) = head::read(&place.path("head.safetensors"), cache.dim(), Some(3)).unwrap();
    let [clean, flipped] = [View::Clean, View::Flipped].map(|view| cache.view(Split::Test, view).unwrap());
    let mut features = vec![0.0; cache.dim()];
    for (row, id) in cache.sample_ids(Split::Test).iter().enumerate() {
        let mut logits = [0.0_f64; 3];
        for view in [&clean, &flipped] {
            view.read_rows(row..row + 1, &mut features).unwrap();
            logits.iter_mut().zip(head.logits(&features)).for_each(|(sum, logit)| *sum += logit / 2.0);
        }
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let mut expected: Vec<(f64, &str)> =
            logits.iter().map(|logit| logit.exp() / total).zip(["ant", "bee, big", "cat"]).collect();
        expected.sort_by(|one, two| two.0.total_cmp(&one.0));
        // Images of the folder are in name order, as their ids.
        let got = &rows[usize::try_from(*id).unwrap()];
        assert!(got[0].starts_with("photos/"), "{got:?}");
        for (cells, (probability, name)) in got[1..].chunks(2).zip(expected) {
            assert_eq!(cells[0], name, "image {id}");
            assert!((cells[1].parse::<f64>().unwrap() - probability).abs() < 1e-2, "{cells:?} {probability}");
        }
    }
    let predicted: std::collections::BTreeSet<&String> = rows.iter().map(|row| &row[1]).collect();
    assert!(predicted.len() > 1, "one class for all: {predicted:?}");
}

#[test]
fn json_holds_the_same_and_batches_change_nothing() {
    let place = prepared();
    place.ok(&predict("photos --out one.csv"));
    place.ok(&predict("photos --batch-size 3 --out three.csv"));
    let [one, three] = ["one.csv", "three.csv"].map(|name| csv_rows(&place.path(name)));
    assert!(one.iter().zip(&three).all(|(one, three)| one[..2] == three[..2]));
    place.ok(&predict("photos/cat photos/ant/0.jpg --out some.json"));
    let text = std::fs::read_to_string(place.path("some.json")).unwrap();
    let list: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!((list.len(), &list[5]["path"]), (6, &"photos/ant/0.jpg".into()));
    assert_eq!(list[5]["predictions"][0]["label"], one[0][1]);
}

#[test]
fn images_that_cannot_be_read_are_named_and_have_no_row() {
    let place = prepared();
    place.write("photos/ant/broken.png", "no image");
    place.write("photos/ant/notes.txt", "no image either");
    let run = place.run(&predict("photos/ant --out predictions.csv"));
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let said: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| !line.starts_with("device") && !line.starts_with("predict:"))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    left out: 1 file whose ending is of no image (notes.txt)
    8 images → `predictions.csv`
    unreadable: `photos/ant/broken.png`: expected an image, got a file of another kind: JPEG, PNG, WebP, BMP, PNM and TIFF are read
    1 of 9 images could not be read and have no row
    ");
    assert_eq!(csv_rows(&place.path("predictions.csv")).len(), 8);
}

#[test]
fn another_network_and_heads_that_do_not_say_what_they_are_for_are_refused() {
    let place = prepared();
    let refused = |line: &str| {
        let text = place.refused(line).replace(env!("CARGO_MANIFEST_DIR"), "");
        assert!(!place.path("out.csv").exists());
        text.lines().filter(|line| !line.starts_with("device")).collect::<Vec<_>>().join("\n")
    };
    let own = "predict --head head.safetensors --device cpu --threads 1 --out out.csv photos";
    let other = refused(&format!("{own} --torchscript {OTHER}"));
    assert!(other.contains("is not the network of this head: weights "), "{other}");
    insta::assert_snapshot!(refused(&predict("nothing --out out.csv")), @"
    exit 2
    error: `nothing` not found: expected an image, or a folder of images
    hint: check the path
    ");
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    write_head(&place, "plain.safetensors", &BTreeMap::new());
    insta::assert_snapshot!(refused(&own.replace("head.safetensors", &format!("plain.safetensors --torchscript {MODULE}"))), @"
    exit 2
    error: `plain.safetensors`: expected a head that says its classes, transform and backbone, got no `transform`
    hint: `retrainer export` writes such a head
    ");
    let mut imported = about(&cache);
    imported.insert("transform".to_owned(), "{\"clean\":\"imported\"}".to_owned());
    write_head(&place, "imported.safetensors", &imported);
    insta::assert_snapshot!(refused(&own.replace("head.safetensors", &format!("imported.safetensors --torchscript {MODULE}"))), @"
    exit 2
    error: `imported.safetensors`: expected a head over features of `extractor dump`, with their transform, got `imported`
    hint: for features of another program: `retrainer predict --features FILE`
    ");
    std::fs::create_dir(place.path("empty")).unwrap();
    insta::assert_snapshot!(refused(&predict("empty --out out.csv")), @"
    exit 2
    error: `empty` not found: expected images below it
    hint: check the path
    ");
}
