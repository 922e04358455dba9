//! From a head that is done to its record.

use cache::FeatureCache;
use engine::{Device, FittedHead};
use experiment::{
    metrics::{Metrics, PerClass},
    plan::{Conditions, Precision},
    protocol::{PerScore, Protocol, State, Unseen},
    records::{Curve, FORMAT_VERSION, Params, RunRecord, SealedPerClass, Status, Versions},
};
use std::collections::BTreeMap;

/// Per-class numbers after the epochs that protocols chose, but the last; those of the same epoch once.
fn other_states(head: &FittedHead) -> BTreeMap<u32, SealedPerClass> {
    let last = head.states.get(Protocol::Last).map(|last| last.epoch);
    let chosen = head.states.iter().map(|(_, state)| (state.epoch, state));
    let other: BTreeMap<u32, _> = chosen.filter(|&(epoch, _)| Some(epoch) != last).collect();
    let sealed = |per_class: &PerClass| SealedPerClass::from(per_class.clone()).packed();
    other.into_iter().map(|(epoch, state)| (epoch, sealed(&state.test.metrics.per_class))).collect()
}

/// The record of a head that was trained or adjusted on a cache.
pub(super) fn of_head(
    head: &FittedHead,
    cache: &FeatureCache,
    cache_key: &str,
    device: Device,
    conditions: &Conditions,
) -> RunRecord {
    let (point, last) = (&head.task.point, head.states.get(Protocol::Last));
    RunRecord {
        run_id: head.task.run_id.clone(),
        cache_key: cache_key.to_owned(),
        cache: cache.path().display().to_string(),
        method: point.method.name.to_owned(),
        params: conditions.params(point, &point.params.build(cache.class_counts())),
        seed: point.seed,
        added: None,
        status: if head.diverged_at.is_some() { Status::Diverged } else { Status::Ok },
        diverged_at: head.diverged_at,
        metrics: head.states.map(|state| state.map(|test| Unseen::new(test.metrics.values))),
        curve: Curve::new(&head.curve),
        per_class: last.map(|last| last.test.metrics.per_class.clone().into()),
        per_class_at: other_states(head),
        seconds: head.seconds,
        versions: versions(),
        device: torch::device::name(device),
        precision: conditions.precision.name().to_owned(),
    }
}

/// A mean of heads that is measured.
pub(super) struct Soup {
    pub(super) method: &'static str,
    pub(super) run_id: String,
    pub(super) params: Params,
    pub(super) val: PerScore<f64>,
    pub(super) measured: Metrics,
    pub(super) seconds: f64,
}

/// The record of a mean of heads: of one state, as of heads without training.
pub(super) fn of_soup(
    soup: Soup,
    cache: &FeatureCache,
    cache_key: &str,
    device: Device,
    precision: Precision,
) -> RunRecord {
    let Soup { method, run_id, params, val, measured, seconds } = soup;
    let last = State { epoch: 0, val, test: Unseen::new(measured.values) };
    RunRecord {
        run_id,
        cache_key: cache_key.to_owned(),
        cache: cache.path().display().to_string(),
        method: method.to_owned(),
        params,
        seed: 0,
        added: None,
        status: Status::Ok,
        diverged_at: None,
        metrics: [(Protocol::Last, last)].into(),
        curve: None,
        per_class: Some(measured.per_class.into()),
        per_class_at: BTreeMap::new(),
        seconds,
        versions: versions(),
        device: torch::device::name(device),
        precision: precision.name().to_owned(),
    }
}

/// The programs that make a record.
fn versions() -> Versions {
    Versions {
        retrainer: env!("CARGO_PKG_VERSION").to_owned(),
        torch: torch::VERSION.to_owned(),
        commit: cache::program_info("retrainer", env!("CARGO_PKG_VERSION"), env!("GIT_COMMIT")).commit,
        format: FORMAT_VERSION,
    }
}
