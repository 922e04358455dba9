//! From a head that is done to its record.

use cache::FeatureCache;
use engine::{Device, FittedHead};
use experiment::{
    metrics::PerClass,
    plan::Conditions,
    protocol::{Protocol, Unseen},
    records::{Curve, FORMAT_VERSION, RunRecord, SealedPerClass, Status, Versions},
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
    let commit = cache::program_info("retrainer", env!("CARGO_PKG_VERSION"), env!("GIT_COMMIT")).commit;
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
        versions: Versions {
            retrainer: env!("CARGO_PKG_VERSION").to_owned(),
            torch: torch::VERSION.to_owned(),
            commit,
            format: FORMAT_VERSION,
        },
        device: torch::device::name(device),
        precision: conditions.precision.name().to_owned(),
    }
}
