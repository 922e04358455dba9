//! Writes a RUNS folder of many made-up records, as large as those of a real sweep over 100 classes, to measure reports:
//!
//! ```text
//! cargo run --release -p retrainer --example many_records -- RUNS 20000 5
//! /usr/bin/time -v target/release/retrainer report RUNS --out page.html
//! ```

use cache::{ClassCounts, ClassId, FeatureCache, synthetic::SyntheticCache};
use experiment::{
    methods::METHODS,
    metrics::{Evaluation, Metrics, TOP1},
    protocol::{Chooser, HeldOut, Protocol, Score, Unseen},
    records::{
        Curve, FORMAT_VERSION, Params, RunRecord, RunWriter, SealedPerClass, StateMetrics, Status, Versions,
        keep_manifest, run_id,
    },
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::{error::Error, path::Path};

const CLASSES: u32 = 100;
const EPOCHS: u32 = 20;

/// The class counts of CIFAR100-LT with imbalance ratio 100.
fn class_counts() -> Result<ClassCounts, cache::CacheError> {
    let ratio = |class: u32| 0.01_f64.powf(f64::from(class) / f64::from(CLASSES - 1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts from 5 to 500")]
    ClassCounts::new((0..CLASSES).map(|class| (500.0 * ratio(class)) as u64).collect())
}

/// Logits of 20 samples a class whose own one stands out, less so in the tail.
fn measure(class_counts: &ClassCounts, random: &mut ChaCha8Rng) -> Result<Metrics, Box<dyn Error>> {
    let mut evaluation = Evaluation::new(class_counts);
    let mut labels = Vec::new();
    for label in (0..CLASSES).cycle().take(20 * CLASSES as usize) {
        let mut row: Vec<f32> = (0..CLASSES).map(|_| random.random_range(-3.0..3.0)).collect();
        if let Some(own) = row.get_mut(label as usize) {
            *own += 3.0 - 0.02 * f32::from(u8::try_from(label)?);
        }
        evaluation.update(&row, &[ClassId(label)])?;
        labels.push(ClassId(label));
    }
    let norms: Vec<f64> = (0..CLASSES).map(|class| 2.0 - 0.01 * f64::from(class)).collect();
    evaluation.set_weight_norms(&norms)?;
    let mut metrics = evaluation.finish();
    metrics.per_class.hits = evaluation.hits(&labels).map(|hits| hits.pack()).transpose()?;
    Ok(metrics)
}

/// A state with another validation score: its test metrics are those of its per-class numbers.
fn state(metrics: &Metrics, epoch: u32, random: &mut ChaCha8Rng) -> StateMetrics {
    let near = |top1| (Score::Top1, top1 + random.random_range(-0.05..0.05));
    let val = metrics.values.get(TOP1.all).map(near).into_iter().collect();
    StateMetrics { epoch, val, test: Unseen::new(metrics.values) }
}

fn sealed(metrics: &Metrics) -> SealedPerClass {
    metrics.per_class.clone().into()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, runs, points, seeds] = arguments.as_slice() else {
        return Err("give RUNS, the number of grid points and that of their seeds".into());
    };
    let (points, seeds): (u64, u64) = (points.parse()?, seeds.parse()?);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let class_counts = class_counts()?;
    let methods: Vec<_> = METHODS.iter().filter(|method| method.name != "custom").collect();
    let measured =
        methods.iter().map(|_| measure(&class_counts, &mut random)).collect::<Result<Vec<_>, _>>()?;
    let mut writer = RunWriter::create(Path::new(runs))?;
    for (point, seed) in (0..points).flat_map(|point| (0..seeds).map(move |seed| (point, seed))) {
        let place = usize::try_from(point)? % methods.len();
        let Some((method, metrics)) = methods.get(place).zip(measured.get(place)) else { continue };
        let step = u32::try_from(point / methods.len() as u64)?;
        let params: Params = serde_json::from_value(json!({
            "delta": 0.98, "lr": 0.001 * (1.0 + f64::from(step / 20)), "weight_decay": 0.0001 * f64::from(step % 20),
            "momentum": 0.9, "epochs": EPOCHS, "batch_size": 64, "schedule": "cosine", "init": "stage1", "view": "clean",
        }))?;
        let mut curve = || (0..EPOCHS).map(|_| random.random_range(0.3..0.5)).collect::<Vec<f64>>();
        let on = |split| Chooser { split, score: Score::Top1 };
        let curve = Curve::new(&[(on(HeldOut::Val), curve()), (on(HeldOut::Test), curve())].into());
        let mut state = |protocol, epoch| (protocol, state(metrics, epoch, &mut random));
        writer.append(&RunRecord {
            run_id: run_id("many", method.name, &params, seed, "f32"),
            cache_key: "many".to_owned(),
            cache: "caches/many".to_owned(),
            method: method.name.to_owned(),
            params,
            seed,
            status: Status::Ok,
            added: None,
            diverged_at: None,
            metrics: [state(Protocol::Last, EPOCHS), state(Protocol::BestOnTest, 7), state(Protocol::Val, 9)]
                .into(),
            curve,
            per_class: Some(sealed(metrics)),
            per_class_at: [7, 9].map(|epoch| (epoch, sealed(metrics).packed())).into(),
            seconds: 0.5,
            versions: Versions {
                retrainer: "0".to_owned(),
                torch: "0".to_owned(),
                commit: "0".to_owned(),
                format: FORMAT_VERSION,
            },
            device: "cpu".to_owned(),
            precision: "f32".to_owned(),
        })?;
    }
    writer.finish()?;
    let folder = tempfile::tempdir()?;
    let cache = folder.path().join("cache");
    SyntheticCache { class_counts: class_counts.counts().to_vec(), ..SyntheticCache::default() }
        .write(&cache)?;
    Ok(keep_manifest(Path::new(runs), "many", FeatureCache::open(&cache)?.manifest())?)
}
