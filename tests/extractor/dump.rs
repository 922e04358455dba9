//! `extractor train` and `dump`: images go in, the same features come out in every way that should not matter.

use crate::{
    images::{cifar10, mirrored},
    program::{Workplace, cache_files, files},
};
use cache::{ClassId, FeatureCache, Split, View};
use std::{path::Path, sync::OnceLock};

/// Arguments of the tiny set: 10 classes of 8 … 2 training images, 2 validation and 2 test images each.
pub(crate) const DATA: &str = "--dataset cifar10 --imbalance-ratio 4 --n-max 8 --val-per-class 2";
/// One thread: tests run side by side.
pub(crate) const MACHINE: &str = "--device cpu --threads 1";

/// A folder with `data/` and a backbone `base/` trained on it, shared by all tests of this file.
pub(crate) fn trained() -> &'static Workplace {
    static PLACE: OnceLock<Workplace> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Workplace::new();
        cifar10(&place, "data", 10, 2);
        place.ok(&format!(
            "train {DATA} --data data {MACHINE} --backbone resnet18 --width 0.25 --epochs 1 --batch-size 16 --out base"
        ));
        place
    })
}

/// The numbers of a view, `[N × D]`.
pub(crate) fn features(cache: &Path, split: Split, view: View) -> Vec<f32> {
    let cache = FeatureCache::open(cache).unwrap();
    let view = cache.view(split, view).unwrap();
    let mut out = vec![0.0; view.rows() * view.dim()];
    view.read_rows(0..view.rows(), &mut out).unwrap();
    out
}

fn dump(out: &str, more: &str) -> String {
    format!("dump --checkpoint base {DATA} --data data {MACHINE} {more} --out {out}")
}

#[test]
fn a_dump_is_a_whole_cache_of_every_view() {
    let place = trained();
    place.ok(&dump("whole", "--augmented 2 --shard-rows 20"));
    place.ok("verify whole");
    let cache = FeatureCache::open(&place.path("whole")).unwrap();
    assert_eq!(cache.class_counts().counts(), [8, 7, 6, 5, 4, 4, 3, 3, 2, 2]); // 8 · 4^(−k/9), rounded
    let views: Vec<String> = cache.manifest().views.keys().map(ToString::to_string).collect();
    assert_eq!(
        views,
        [
            "train.clean",
            "train.augmented-00",
            "train.augmented-01",
            "val.clean",
            "val.flipped",
            "test.clean",
            "test.flipped"
        ]
    );
    assert_eq!(cache.dim(), 128);
    assert_eq!(cache.manifest().dtype, cache::Dtype::F16);
    assert_eq!(cache.manifest().class_names[9], "truck");
    // Class-major; classes take turns in the files, so image n of class k is row 10 n + k.
    assert!(cache.labels(Split::Train).is_sorted());
    assert_eq!(cache.sample_ids(Split::Train)[..9], [0, 10, 20, 30, 40, 50, 60, 70, 1]);
    assert_eq!(cache.sample_ids(Split::Val)[..4], [80, 90, 81, 91]);
    assert_eq!(cache.labels(Split::Test)[..2], [ClassId(0), ClassId(1)]);
    assert_eq!(cache.manifest().views[&"train.clean".parse().unwrap()].shards.len(), 3);
}

#[test]
fn the_stage1_head_is_that_of_the_checkpoint() {
    let place = trained();
    place.ok(&dump("with-head", ""));
    let cache = FeatureCache::open(&place.path("with-head")).unwrap();
    let head = cache.stage1_head().unwrap();
    let bytes = std::fs::read(place.path("base/checkpoint.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let stored = |name| tensors.tensor(name).unwrap().data().to_vec();
    assert_eq!(bytemuck::cast_slice::<f32, u8>(&head.weight), stored("fc.weight"));
    assert_eq!(bytemuck::cast_slice::<f32, u8>(&head.bias), stored("fc.bias"));
    assert_eq!((head.classes, head.dim), (10, 128));
}

#[test]
fn flipped_features_are_the_clean_features_of_mirrored_images() {
    let place = trained();
    place.ok(&dump("plain", ""));
    mirrored(place, "data", "data-mirrored");
    place.ok(&format!(
        "dump --checkpoint base --allow-other-data {DATA} --data data-mirrored {MACHINE} --out mirrored"
    ));
    for split in [Split::Val, Split::Test] {
        let (clean, flipped) = (
            features(&place.path("mirrored"), split, View::Clean),
            features(&place.path("plain"), split, View::Flipped),
        );
        assert_eq!(clean, flipped, "{split}");
        assert_ne!(clean, features(&place.path("plain"), split, View::Clean), "{split}");
    }
}

#[test]
fn augmented_views_follow_their_seed_and_number() {
    let place = trained();
    place.ok(&dump("augmented", "--augmented 2"));
    place.ok(&dump("augmented-again", "--augmented 2 --batch-size 7 --shard-rows 13"));
    place.ok(&dump("augmented-otherwise", "--augmented 2 --seed 1"));
    let view = |cache: &str, k| features(&place.path(cache), Split::Train, View::Augmented(k));
    assert_ne!(view("augmented", 0), view("augmented", 1));
    assert_ne!(view("augmented", 0), features(&place.path("augmented"), Split::Train, View::Clean));
    assert_ne!(view("augmented", 0), view("augmented-otherwise", 0));
    for k in 0..2 {
        close(&view("augmented", k), &view("augmented-again", k));
    }
}

/// Equal up to two steps of half precision: other batch sizes may add in another order.
fn close(one: &[f32], two: &[f32]) {
    assert_eq!(one.len(), two.len());
    for (a, b) in one.iter().zip(two) {
        assert!((a - b).abs() <= 2e-3 * a.abs().max(0.05), "{a} and {b}");
    }
}

#[test]
fn batches_shards_and_number_formats_do_not_change_the_features() {
    let place = trained();
    place.ok(&dump("reference", "--dtype f32"));
    place.ok(&dump("small-batches", "--batch-size 3 --shard-rows 10"));
    place.ok(&dump("bf16", "--dtype bf16"));
    for split in Split::ALL {
        let of = |cache: &str| features(&place.path(cache), split, View::Clean);
        close(&of("reference"), &of("small-batches"));
        for (a, b) in of("reference").iter().zip(of("bf16")) {
            assert!((a - b).abs() <= a.abs() / 128.0 + 1e-6, "{a} and {b}");
        }
    }
}

#[test]
fn weights_from_a_file_give_the_features_of_the_checkpoint() {
    let place = trained();
    place.ok(&dump("from-checkpoint", ""));
    place.ok(&format!(
        "dump --weights base/checkpoint.safetensors --backbone resnet18 --width 0.25 {DATA} --data data {MACHINE} --out from-weights"
    ));
    for split in Split::ALL {
        let of = |cache: &str| features(&place.path(cache), split, View::Clean);
        assert_eq!(of("from-checkpoint"), of("from-weights"));
    }
    let head = |cache: &str| FeatureCache::open(&place.path(cache)).unwrap().stage1_head().cloned();
    assert_eq!(head("from-checkpoint"), head("from-weights"));
}

#[test]
fn without_a_backbone_one_is_trained_first_and_the_cache_is_the_same() {
    let place = trained();
    place.ok(&dump("in-two-steps", ""));
    place.ok(&format!(
        "dump {DATA} --data data {MACHINE} --backbone resnet18 --width 0.25 --epochs 1 --train-batch-size 16 --out in-one-step"
    ));
    assert!(place.path("in-one-step.checkpoint/train.jsonl").exists());
    assert_eq!(cache_files(&place.path("in-one-step")), cache_files(&place.path("in-two-steps")));
}

#[test]
fn a_finished_dump_is_left_alone_and_other_settings_are_refused() {
    let place = trained();
    place.ok(&dump("finished", "--augmented 1 --shard-rows 20"));
    let before = files(&place.path("finished"));
    let again = place.ok(&dump("finished", "--augmented 1 --shard-rows 20"));
    assert!(again.stderr.contains("finished already"), "{}", again.stderr);
    // Some CPUs are slow in bf16, and the program says so.
    let filters = vec![(r"[0-9a-f]{64}", "[DIGEST]"), (r"warning: this CPU [^\n]*\n", "")];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(place.refused(&dump("finished", "--augmented 2 --shard-rows 20")), @"
        exit 2
        error: `finished` holds a dump with other settings: `train.augmented-01` is not there
        hint: choose another `--out`, or remove the folder first
        ");
        insta::assert_snapshot!(place.refused(&dump("finished", "--augmented 1 --shard-rows 30")), @"
        exit 2
        error: `finished` holds a dump with other settings: `train.clean` has shards of other rows there; `train.augmented-00` has shards of other rows there
        hint: choose another `--out`, or remove the folder first
        ");
        insta::assert_snapshot!(place.refused(&dump("finished", "--augmented 1 --shard-rows 20 --dtype f32")), @r#"
        exit 2
        error: `finished` holds a dump with other settings: `--dtype` is "f16" there, "f32" here
        hint: choose another `--out`, or remove the folder first
        "#);
        insta::assert_snapshot!(place.refused(&dump("finished", "--augmented 1 --shard-rows 20 --seed 3")), @r#"
        exit 2
        error: `finished` holds a dump with other settings: `--augmented` (views, `--seed`, sizes) is "seed(0)|crop(32,pad=4)|flip(0.5)|normalise(0.4914 0.4822 0.4465,0.2023 0.199... there, "seed(3)|crop(32,pad=4)|flip(0.5)|normalise(0.4914 0.4822 0.4465,0.2023 0.199... here
        hint: choose another `--out`, or remove the folder first
        "#);
        insta::assert_snapshot!(
            place.refused(&dump("finished", "--augmented 1 --shard-rows 20 --precision bf16")), @r#"
        exit 2
        error: `finished` holds a dump with other settings: `--precision` is "activations(f32)" there, "activations(bf16)" here
        hint: choose another `--out`, or remove the folder first
        "#);
    });
    assert_eq!(files(&place.path("finished")), before);
}

#[test]
fn dumps_that_cannot_be_right_are_refused() {
    let place = trained();
    insta::assert_snapshot!(
        place.refused(&format!("dump --checkpoint nowhere {DATA} --data data {MACHINE} --out refused")), @"
    exit 2
    error: `nowhere` not found: expected the checkpoint of a stage-1 run
    hint: make one with `extractor train`
    ");
    insta::assert_snapshot!(
        place.refused(&format!("dump --checkpoint base --dataset cifar10 --data data {MACHINE} --out refused")), @"
    exit 2
    error: `base` was trained on other images: subset first-n, rounded there, all here; imbalance ratio 4 there, none here; n_max 8 there, none here
    hint: give the data settings of its training, or `--allow-other-data` to use it on these
    ");
    place.write("text.safetensors", "no weights");
    insta::assert_snapshot!(
        place.refused(&format!(
            "dump --weights text.safetensors --backbone resnet18 --width 0.25 {DATA} --data data {MACHINE} --out refused"
        )), @"
    exit 2
    error: `text.safetensors`: expected a safetensors file, got header too large
    hint: the file is damaged or of another format: write it again
    ");
    assert!(!place.path("refused").exists());
    place.write("occupied/letter.txt", "mine");
    insta::assert_snapshot!(place.refused(&dump("occupied", "")), @"
    exit 2
    error: `occupied` is not empty and holds no feature cache
    hint: choose another `--out`, or remove the folder first
    ");
}

#[test]
fn settings_that_say_nothing_about_the_given_backbone_are_refused() {
    let place = trained();
    let refused = |backbone: &str| {
        let message = place.refused(&format!("dump {backbone} {DATA} --data data {MACHINE} --out idle"));
        assert!(!place.path("idle").exists(), "refused before anything is written");
        message
    };
    insta::assert_snapshot!(refused("--torchscript module.pt --width 0.5"), @"
    exit 2
    error: `--width`: expected a network that is built by name, got `--torchscript`
    hint: leave it out: the network of a TorchScript module is in its file
    ");
    insta::assert_snapshot!(refused("--torchscript module.pt --preset table3-bs"), @"
    exit 2
    error: `--preset`: expected a backbone to train, got `--torchscript`
    hint: leave it out: nothing is trained where a backbone is given
    ");
    insta::assert_snapshot!(refused("--weights w.safetensors --backbone resnet18 --epochs 3"), @"
    exit 2
    error: `--epochs`: expected a backbone to train, got `--weights`
    hint: leave it out: nothing is trained where a backbone is given
    ");
    insta::assert_snapshot!(refused("--checkpoint base --train-batch-size 8"), @"
    exit 2
    error: `--train-batch-size`: expected a backbone to train, or `--batch-norm train`, got `--checkpoint`
    hint: leave it out, or give `--batch-norm train`; `--batch-size` is that of a forward pass
    ");
    insta::assert_snapshot!(refused("--checkpoint base --seed 3"), @"
    exit 2
    error: `--seed`: expected a backbone to train, `--augmented` or `--batch-norm train`, got `--checkpoint`
    hint: leave it out: nothing is random in these views
    ");
    insta::assert_snapshot!(refused("--weights w.safetensors --backbone resnet18 --preset table3-bs"), @"
    exit 2
    error: `--preset`: expected a backbone to train, got `--weights`
    hint: leave it out: nothing is trained where a backbone is given
    ");
    let whole =
        DATA.replace("--imbalance-ratio 4", "").replace("--n-max 8", "").replace("--val-per-class 2", "");
    insta::assert_snapshot!(
        place.refused(&format!("dump --checkpoint base {whole} --subset ldam-seed0 --data data {MACHINE} --out idle")), @"
    exit 2
    error: `--subset`: expected `--imbalance-ratio` or `--n-max`, got the whole training set
    hint: leave it out: it would change nothing
    ");
    for training in
        ["--init ltwb", "--loss bs", "--lr 0.1", "--schedule step", "--warm-up 1", "--accumulate 2"]
    {
        let (name, _) = training.split_once(' ').unwrap();
        let message = refused(&format!("--checkpoint base {training}"));
        assert!(
            message.contains(&format!("`{name}`: expected a backbone to train, got `--checkpoint`")),
            "{message}"
        );
    }
    insta::assert_snapshot!(refused("--checkpoint base --width 0.5"), @"
    exit 2
    error: `--width`: expected 0.25, with which the checkpoint was trained, got 0.5
    hint: leave it out: a checkpoint keeps its own
    ");
    insta::assert_snapshot!(refused("--checkpoint base --backbone resnet34"), @"
    exit 2
    error: `--backbone`: expected resnet18, with which the checkpoint was trained, got resnet34
    hint: leave it out: a checkpoint keeps its own
    ");
    // What the checkpoint has may be said again.
    place.ok(&dump("said-again", "--backbone resnet18 --width 0.25"));
}
