//! Small records for the tests of this module, of selection and of reports.

use super::{
    Params, Run, RunMetrics, RunRecord, RunStore, RunWriter, StateMetrics, Status, Versions, run_id,
};
use crate::metrics::MetricValues;

/// Test metrics with these accuracies of all, many, medium and few classes.
pub(crate) fn accuracies(top1: [f64; 4]) -> MetricValues {
    let mut values = MetricValues::EMPTY;
    for (name, value) in ["top1.all", "top1.many", "top1.medium", "top1.few"].into_iter().zip(top1) {
        values.set(name, Some(value));
    }
    values
}

/// A finished run after 20 epochs whose only accuracy is `top1`; no validation score.
pub(crate) fn record(method: &str, params: &str, seed: u64, top1: f64) -> RunRecord {
    let params: Params = serde_json::from_str(params).unwrap();
    let last = StateMetrics::new(20, None, accuracies([top1; 4]));
    RunRecord {
        run_id: run_id("key", method, &params, seed, "f32"),
        cache_key: "0123456789abcdef".to_owned(),
        cache: "caches/cifar100-lt".to_owned(),
        method: method.to_owned(),
        params,
        seed,
        status: Status::Ok,
        diverged_at: None,
        metrics: RunMetrics { best_on_test: Some(last.clone()), last: Some(last), ..RunMetrics::default() },
        curve: None,
        per_class: None,
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
    record.metrics.best_on_test = None;
    record.metrics.last = Some(StateMetrics::new(20, Some(0.0), accuracies([0.0; 4])));
    record.metrics.val_selected = Some(StateMetrics::new(5, Some(val), accuracies([top1; 4])));
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
