//! `extractor dump --batch-norm train`: the frozen network in training mode, as published stage-2 code leaves it.

use crate::{
    dump::{DATA, MACHINE, features, trained},
    program::{Workplace, cache_files},
};
use cache::{BatchNormMode, FeatureCache, Split, View};
use extractor::{
    backbones::Compute,
    config::Precision,
    datasets::{
        Dataset, Images,
        subset::{SubsetRule, SubsetSpec},
    },
    stage1::Checkpoint,
    transform::Draws,
    weights::Layout,
};
use longtail::random;
use tch::{Device, Kind, Tensor};
use torch::bytes::{tensor_bytes, tensor_from_bytes};

const TRAIN_BATCH: usize = 16;

fn dump(out: &str, more: &str) -> String {
    format!(
        "dump --checkpoint base {DATA} --data data {MACHINE} --batch-norm train --train-batch-size {TRAIN_BATCH} \
         --dtype f32 --seed 5 {more} --out {out}"
    )
}

/// Stage 2 of published code, in its own words: `model.train()`, a loader that shuffles, `with torch.no_grad()` around
/// the backbone; then `model.eval()`.
struct Reference {
    checkpoint: Checkpoint,
    dataset: Dataset,
}

impl Reference {
    fn new(place: &Workplace) -> Self {
        tch::set_num_threads(1);
        let compute =
            Compute { device: Device::Cpu, precision: Precision::F32, layout: Layout::ChannelsLast };
        let spec = SubsetSpec {
            rule: SubsetRule::FirstN,
            imbalance_ratio: Some(4.0),
            n_max: Some(8),
            val_per_class: Some(2),
            ..SubsetSpec::default()
        };
        Self {
            checkpoint: Checkpoint::load(&place.path("base"), |_| compute).unwrap(),
            dataset: Dataset::load("cifar10", &place.path("data"), &spec).unwrap(),
        }
    }

    fn pixels(images: &extractor::datasets::ImageSet) -> Tensor {
        let shape = [images.len(), 3, 32, 32].map(|size| i64::try_from(size).unwrap());
        let Images::Memory(pixels) = &images.images else { unreachable!("CIFAR lies in memory") };
        tensor_from_bytes(&pixels.bytes, &shape, Kind::Uint8).unwrap()
    }

    /// Features `[N × D]` of one epoch over the training images; moves the running statistics.
    fn epoch(&self, view: &str, augmented: Option<u64>) -> Vec<f32> {
        let _guard = tch::no_grad_guard();
        let transform = &self.checkpoint.info.recipe.transform;
        let n = self.dataset.train.len();
        let input = match augmented {
            None => transform.clean(&Self::pixels(&self.dataset.train)).unwrap(),
            Some(k) => {
                let draws = Draws::new(5, "augmented view", k, n, transform.pad, Device::Cpu).unwrap();
                transform.augmented(&Self::pixels(&self.dataset.train), &draws).unwrap()
            }
        };
        let order = random::permutation(&mut random::stream(5, &format!("dump order of {view}"), 0), n);
        let dim = self.checkpoint.backbone.feature_dim();
        let mut features = vec![f32::NAN; n * dim];
        for batch in order.chunks(TRAIN_BATCH) {
            assert!(batch.len() > 1, "this set leaves no single image");
            let rows: Vec<i64> = batch.iter().map(|&row| row.into()).collect();
            let images = input.index_select(0, &Tensor::from_slice(&rows));
            let computed = self.checkpoint.backbone.features(&images, BatchNormMode::Train).unwrap();
            let computed = tensor_bytes(&computed).unwrap();
            let computed: &[f32] = bytemuck::cast_slice(&computed);
            for (&row, computed) in batch.iter().zip(computed.chunks_exact(dim)) {
                features[row as usize * dim..][..dim].copy_from_slice(computed);
            }
        }
        features
    }

    /// Features of the test images with the running statistics as they are now.
    fn test(&self) -> Vec<f32> {
        let _guard = tch::no_grad_guard();
        let input = self.checkpoint.info.recipe.transform.clean(&Self::pixels(&self.dataset.test)).unwrap();
        let features = self.checkpoint.backbone.features(&input, BatchNormMode::Eval).unwrap();
        bytemuck::cast_slice(&tensor_bytes(&features).unwrap()).to_vec()
    }
}

/// Sums of f32 in another order: 1e-5 of the largest feature.
fn close(what: &str, one: &[f32], two: &[f32]) {
    assert_eq!(one.len(), two.len(), "{what}");
    let scale = one.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let worst = one.iter().zip(two).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(worst <= 1e-5 * scale, "{what}: differs by {worst} of {scale}");
}

#[test]
fn the_views_are_those_of_a_network_in_training_mode() {
    let place = trained();
    place.ok(&dump("bn-augmented", "--augmented 2 --shard-rows 20"));
    place.ok("verify bn-augmented");
    let cache = |split, view| features(&place.path("bn-augmented"), split, view);
    let reference = Reference::new(place);
    let stage1 = reference.test();
    for k in 0..2 {
        let epoch = reference.epoch(&format!("train.augmented-0{k}"), Some(k.into()));
        close(&format!("augmented view {k}"), &epoch, &cache(Split::Train, View::Augmented(k)));
    }
    let drifted = reference.test();
    close("test", &drifted, &cache(Split::Test, View::Clean));
    assert_ne!(stage1, drifted, "the statistics have moved");
    // The clean view beside augmented ones has its batches' statistics, and has moved nothing.
    close("clean", &reference.epoch("train.clean", None), &cache(Split::Train, View::Clean));
}

#[test]
fn without_augmented_views_the_pass_is_over_the_clean_one() {
    let place = trained();
    place.ok(&dump("bn-clean", ""));
    let reference = Reference::new(place);
    let epoch = reference.epoch("train.clean", None);
    close("clean", &epoch, &features(&place.path("bn-clean"), Split::Train, View::Clean));
    close("test", &reference.test(), &features(&place.path("bn-clean"), Split::Test, View::Clean));
    // The statistics are in the cache under PyTorch's names, and checked like every other file.
    let bytes = std::fs::read(place.path("bn-clean/batch_norm.safetensors")).unwrap();
    let stored = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, tensor) in reference.checkpoint.backbone.parameters().statistics() {
        let stored = stored.tensor(name).unwrap().data().to_vec();
        close(name, bytemuck::cast_slice(&tensor_bytes(tensor).unwrap()), bytemuck::cast_slice(&stored));
    }
    std::fs::remove_file(place.path("bn-clean/batch_norm.safetensors")).unwrap();
    let run = place.run("verify bn-clean");
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("`bn-clean/batch_norm.safetensors` is missing"), "{}", run.stdout);
}

#[test]
fn shards_and_forward_batches_do_not_change_what_training_mode_gives() {
    let place = trained();
    place.ok(&dump("bn-one-shard", "--augmented 1"));
    place.ok(&dump("bn-many-shards", "--augmented 1 --shard-rows 7 --batch-size 3"));
    for (split, view) in [
        (Split::Train, View::Augmented(0)),
        (Split::Train, View::Clean),
        (Split::Val, View::Flipped),
        (Split::Test, View::Clean),
    ] {
        let of = |cache: &str| features(&place.path(cache), split, view);
        close(&format!("{split}.{view}"), &of("bn-one-shard"), &of("bn-many-shards"));
    }
}

#[test]
fn the_manifest_says_which_statistics_and_an_evaluating_dump_is_another_cache() {
    let place = trained();
    place.ok(&dump("bn-manifest", "--augmented 1"));
    let cache = FeatureCache::open(&place.path("bn-manifest")).unwrap();
    assert_eq!(cache.manifest().batch_norm, BatchNormMode::Train);
    insta::assert_snapshot!(cache.manifest().transforms["batch_norm"].to_string(), @"passes(augmented x1)|shuffle|batch(16)|seed(5)");
    let passes = format!("--batch-norm train --train-batch-size {TRAIN_BATCH}");
    let refused = place.refused(&dump("bn-manifest", "--augmented 1").replace(&passes, ""));
    insta::assert_snapshot!(refused, @r#"
    exit 2
    error: `bn-manifest` holds a dump with other settings: `--batch-norm` (passes, `--train-batch-size`, `--seed`) is "passes(augmented x1)|shuffle|batch(16)|seed(5)" there, none here
    hint: choose another `--out`, or remove the folder first
    "#);
    // A run of more passes ends with other statistics: its held-out views are not those of the first.
    let refused = place.refused(&dump("bn-manifest", "--augmented 2"));
    insta::assert_snapshot!(refused, @r#"
    exit 2
    error: `bn-manifest` holds a dump with other settings: `--batch-norm` (passes, `--train-batch-size`, `--seed`) is "passes(augmented x1)|shuffle|batch(16)|seed(5)" there, "passes(augmented x2)|shuffle|batch(16)|seed(5)" here
    hint: choose another `--out`, or remove the folder first
    "#);
}

#[test]
fn a_dump_whose_statistics_were_lost_computes_them_again_and_keeps_its_shards() {
    let place = trained();
    place.ok(&dump("bn-whole", "--augmented 2 --shard-rows 20"));
    place.ok(&dump("bn-lost", "--augmented 2 --shard-rows 20"));
    // As a kill between a pass and its statistics leaves it, and one before the evaluated views.
    let unfinish = |cache: &str| {
        let manifest = std::fs::read_to_string(place.path(cache).join("manifest.json")).unwrap();
        let mut settings: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        for result in ["stage1_head", "batch_norm_statistics", "manifest_blake3"] {
            settings.as_object_mut().unwrap().remove(result);
        }
        place.write(&format!("{cache}/manifest.partial.json"), settings.to_string());
        std::fs::remove_file(place.path(cache).join("manifest.json")).unwrap();
    };
    unfinish("bn-lost");
    std::fs::remove_file(place.path("bn-lost/batch_norm.safetensors")).unwrap();
    std::fs::remove_dir_all(place.path("bn-lost/test.clean")).unwrap();
    let shard = place.path("bn-lost/train.augmented-01/00001.safetensors");
    let written = || std::fs::metadata(&shard).unwrap().modified().unwrap();
    let before = written();
    place.ok(&dump("bn-lost", "--augmented 2 --shard-rows 20"));
    assert_eq!(written(), before);
    assert!(cache_files(&place.path("bn-lost")) == cache_files(&place.path("bn-whole")), "the caches differ");
    // Statistics there, a training shard not.
    unfinish("bn-lost");
    std::fs::remove_file(place.path("bn-lost/train.augmented-00/00001.safetensors")).unwrap();
    std::fs::remove_dir_all(place.path("bn-lost/val.flipped")).unwrap();
    place.ok(&dump("bn-lost", "--augmented 2 --shard-rows 20"));
    assert!(cache_files(&place.path("bn-lost")) == cache_files(&place.path("bn-whole")), "the caches differ");
}
