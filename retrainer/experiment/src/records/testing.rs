//! Small records for the tests of this module, of selection and of reports.

use super::{
    Params, Run, RunMetrics, RunRecord, RunStore, RunWriter, StateMetrics, Status, Versions, run_id,
};
use crate::{
    metrics::{Evaluation, MetricValues, Metrics, PerClass, TOP1},
    protocol::{Protocol, Score, Unseen},
};
use cache::{ClassCounts, ClassId};
use std::collections::BTreeMap;

/// Test metrics with these accuracies of all, many, medium and few classes.
pub(crate) fn accuracies(top1: [f64; 4]) -> MetricValues {
    let mut values = MetricValues::EMPTY;
    for (metric, value) in TOP1.each().into_iter().zip(top1) {
        values.set(metric, Some(value));
    }
    values
}

/// A state with that validation accuracy.
#[expect(clippy::large_types_passed_by_value, reason = "made where it is passed")]
pub(crate) fn state(epoch: u32, val: Option<f64>, test: MetricValues) -> StateMetrics {
    StateMetrics {
        epoch,
        val: val.map(|top1| (Score::Top1, top1)).into_iter().collect(),
        test: Unseen::new(test),
    }
}

/// A finished run after 20 epochs whose only accuracy is `top1`; no validation score.
pub(crate) fn record(method: &str, params: &str, seed: u64, top1: f64) -> RunRecord {
    let params: Params = serde_json::from_str(params).unwrap();
    let last = state(20, None, accuracies([top1; 4]));
    RunRecord {
        run_id: run_id("key", method, &params, seed, "f32"),
        cache_key: "0123456789abcdef".to_owned(),
        cache: "caches/cifar100-lt".to_owned(),
        method: method.to_owned(),
        params,
        seed,
        added: None,
        status: Status::Ok,
        diverged_at: None,
        metrics: [(Protocol::BestOnTest, last.clone()), (Protocol::Last, last)].into(),
        curve: None,
        per_class: None,
        per_class_at: BTreeMap::new(),
        seconds: 0.5,
        versions: Versions {
            retrainer: "0.1.0".to_owned(),
            torch: "2.11.0".to_owned(),
            commit: "unknown".to_owned(),
            format: super::FORMAT_VERSION,
        },
        device: "cpu".to_owned(),
        precision: "f32".to_owned(),
    }
}

/// The same with a state selected by validation accuracy `val` after 5 epochs, whose test accuracy is `top1`.
pub(crate) fn validated(method: &str, params: &str, seed: u64, val: f64, top1: f64) -> RunRecord {
    let mut record = record(method, params, seed, 0.0);
    record.metrics = [
        (Protocol::Last, state(20, Some(0.0), accuracies([0.0; 4]))),
        (Protocol::Val, state(5, Some(val), accuracies([top1; 4]))),
    ]
    .into();
    record
}

/// A finished run with the hits of its last state: sample after sample of equal classes, right or wrong. Epoch 0 is a head
/// without training.
pub(crate) fn with_hits(method: &str, seed: u64, epoch: u32, classes: u32, right: &[bool]) -> RunRecord {
    let counts = ClassCounts::new(vec![200; classes as usize]).unwrap();
    let labels: Vec<ClassId> = (0..classes).cycle().take(right.len()).map(ClassId).collect();
    let mut evaluation = Evaluation::new(&counts);
    for (label, right) in labels.iter().zip(right) {
        let mut row = vec![0.0; classes as usize];
        row[label.index()] = if *right { 1.0 } else { -1.0 };
        evaluation.update(&row, std::slice::from_ref(label)).unwrap();
    }
    let Metrics { values, per_class } = evaluation.finish();
    let hits = evaluation.hits(&labels).unwrap().pack().unwrap();
    let mut record = record(method, "{}", seed, 0.0);
    record.metrics = [(Protocol::Last, state(epoch, None, values))].into();
    record.per_class = Some(PerClass { hits: Some(hits), ..per_class }.into());
    record
}

/// A run whose weights stopped being finite in epoch 3.
pub(crate) fn diverged(method: &str, params: &str, seed: u64) -> RunRecord {
    let mut record = record(method, params, seed, 0.0);
    record.status = Status::Diverged;
    record.diverged_at = Some(3);
    record.metrics = RunMetrics::default();
    record
}

/// The records as a reader sees them after a trip over the disk.
pub(crate) fn stored(records: &[RunRecord]) -> Vec<Run> {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(dir.path()).unwrap();
    for record in records {
        writer.append(record).unwrap();
    }
    writer.finish().unwrap();
    RunStore::open(dir.path()).unwrap().runs().to_vec()
}
