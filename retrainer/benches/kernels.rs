//! Steps of training at the sizes of published data sets: `cargo bench -p retrainer --bench kernels`.
//!
//! Throughput counts the operations of the two products over features alone, so rows of one shape compare with each other
//! and with `products`, their floor: 1 Gitem/s is 1 GFLOP/s. One thread, as a worker of a sweep has.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench that cannot start has no other reader; counts are far below 2^52"
)]

use cache::{ClassCounts, ClassId, Dtype, FeatureCache, synthetic::SyntheticCache};
use divan::{Bencher, counter::ItemsCount};
use engine::{Device, Products, Steps};
use experiment::{
    metrics::Evaluation,
    plan::{Grid, Precision, Resources, SweepPlan, Work},
};
use std::sync::LazyLock;

/// Samples in a step.
const BATCH: usize = 64;

/// A data set's sizes, and heads that make a group of a few megabytes where that is possible.
struct Shape {
    name: &'static str,
    dim: usize,
    /// Largest and smallest class.
    counts: (f64, f64),
    classes: usize,
    heads: usize,
}

/// CIFAR-100-LT with its N = 10,847; of the large ones, whose steps do not depend on N, a few thousand samples.
static SHAPES: [Shape; 3] = [
    Shape { name: "cifar_r34", dim: 512, counts: (500.0, 5.0), classes: 100, heads: 8 },
    Shape { name: "imagenet_lt_x50", dim: 2048, counts: (20.0, 1.0), classes: 1000, heads: 1 },
    Shape { name: "inaturalist18_r50", dim: 2048, counts: (1.0, 1.0), classes: 8142, heads: 1 },
];

/// The caches of [`SHAPES`], made once; the folder goes with the last bench.
static CACHES: LazyLock<(tempfile::TempDir, Vec<FeatureCache>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let caches = SHAPES.iter().map(|shape| {
        let path = folder.path().join(shape.name);
        let (largest, smallest) = shape.counts;
        let count = |class: usize| {
            let place = class as f64 / (shape.classes - 1) as f64;
            (largest * (smallest / largest).powf(place) + 1e-9) as u64
        };
        let cache = SyntheticCache {
            class_counts: (0..shape.classes).map(count).collect(),
            val_per_class: 0,
            test_per_class: 1,
            dim: shape.dim,
            flipped: false,
            dtype: Dtype::F16,
            ..SyntheticCache::default()
        };
        cache.write(&path).unwrap();
        FeatureCache::open(&path).unwrap()
    });
    let caches = caches.collect();
    (folder, caches)
});

/// A step of a group of one method.
fn step(bencher: Bencher<'_, '_>, shape: &str, method: &str, precision: Precision) {
    tch::set_num_threads(1);
    let index = SHAPES.iter().position(|known| known.name == shape).unwrap();
    let (shape, cache) = (&SHAPES[index], &CACHES.1[index]);
    let rates: Vec<String> = (1..=shape.heads).map(|head| format!("{head}e-4")).collect();
    let text =
        format!("batch_size = {BATCH}\nlr = [{}]\n[[method]]\nname = \"{method}\"\n", rates.join(", "));
    let grid = Grid::parse("bench", &text).unwrap();
    let resources = Resources { workers: 1, group_bytes: usize::MAX };
    let plan = SweepPlan::new(&grid, cache, precision, resources).unwrap();
    let work = plan.work.into_iter().next().map(|work| work.prepare(cache.class_counts()));
    let Some(Work::Sgd { key, heads }) = work else { panic!("{method} does not train") };
    let mut steps = Steps::new(cache, Device::Cpu, key, &heads).unwrap();
    bencher.counter(ItemsCount::new(steps.flops() as u64)).bench_local(|| steps.step().unwrap());
}

#[divan::bench(args = SHAPES.iter().map(|shape| shape.name), sample_count = 20)]
fn products(bencher: Bencher<'_, '_>, name: &str) {
    tch::set_num_threads(1);
    let shape = SHAPES.iter().find(|shape| shape.name == name).unwrap();
    let columns = shape.classes * shape.heads;
    let products = Products::new(Device::Cpu, BATCH, shape.dim, columns, Precision::F32).unwrap();
    bencher.counter(ItemsCount::new(products.flops() as u64)).bench_local(|| products.multiply().unwrap());
}

/// One method for each kind of pass: plain softmax, focal factor, scaled logits, class weights, a projection, a cosine
/// classifier with margins, the terms of binary cross-entropy, and no product over features at all.
const METHODS: [&str; 8] = ["lort", "focal", "vs", "cb-ce", "max-norm", "ldam", "cb-bce-softmax", "lws"];

#[divan::bench(args = METHODS, sample_count = 20)]
fn cifar_r34(bencher: Bencher<'_, '_>, method: &str) {
    step(bencher, "cifar_r34", method, Precision::F32);
}

/// On a CPU bf16 is rounded before products in f32: what that costs.
#[divan::bench(args = ["lort"], sample_count = 20)]
fn cifar_r34_bf16(bencher: Bencher<'_, '_>, method: &str) {
    step(bencher, "cifar_r34", method, Precision::Bf16);
}

#[divan::bench(args = ["lort", "ldam"], sample_count = 10)]
fn imagenet_lt_x50(bencher: Bencher<'_, '_>, method: &str) {
    step(bencher, "imagenet_lt_x50", method, Precision::F32);
}

#[divan::bench(args = ["lort"], sample_count = 5)]
fn inaturalist18_r50(bencher: Bencher<'_, '_>, method: &str) {
    step(bencher, "inaturalist18_r50", method, Precision::F32);
}

/// All metrics of a group of heads on 1,024 samples of 100 classes: an item is a logit.
#[divan::bench(args = [1, 9, 100], sample_count = 20)]
fn evaluation(bencher: Bencher<'_, '_>, heads: usize) {
    let class_counts = ClassCounts::new(vec![100; 100]).unwrap();
    let labels: Vec<ClassId> = (0..1024).map(|row| ClassId(row % 100)).collect();
    let stride = heads * 100;
    let logit = |place: usize| 8.0 * (place as f64 * 0.618_033_988_749_895).fract() as f32;
    let logits: Vec<f32> = (0..labels.len() * stride).map(logit).collect();
    let mut evaluations = vec![Evaluation::new(&class_counts); heads];
    bencher.counter(ItemsCount::new(logits.len())).bench_local(|| {
        for (head, evaluation) in evaluations.iter_mut().enumerate() {
            evaluation.update_strided(&logits, &labels, head * 100, stride).unwrap();
        }
    });
}

fn main() {
    divan::main();
}
