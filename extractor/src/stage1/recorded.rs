//! What PyTorch computed (`fixtures/stage1/record.py`), for tests.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A loss of one batch in one epoch of 200.
#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) epoch: u32,
    pub(super) loss: f64,
    pub(super) gradient: Vec<Vec<f64>>,
}

/// The recorded file.
#[derive(Deserialize)]
pub(super) struct Reference {
    pub(super) class_counts: Vec<u64>,
    pub(super) labels: Vec<i64>,
    pub(super) logits: Vec<Vec<f64>>,
    pub(super) features: Vec<Vec<f64>>,
    pub(super) weight: Vec<Vec<f64>>,
    pub(super) cosines: Vec<Vec<f64>>,
    pub(super) losses: Vec<Case>,
    pub(super) schedules: BTreeMap<String, Vec<f64>>,
}

pub(super) fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../fixtures/stage1/reference.json")).unwrap()
}
