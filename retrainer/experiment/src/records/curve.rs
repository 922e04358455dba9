//! Accuracies after each epoch.

use super::record::check_fraction;
use crate::select::Permit;
use serde::{Deserialize, Serialize};

/// Mean of per-class accuracies after each epoch, fractions of six digits, on the splits that were looked at each epoch.
///
/// As in [`super::StateMetrics`], only [`crate::select`] reads the test part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// On the validation split; empty where no protocol chose by it.
    #[serde(rename = "val.top1.all", default, skip_serializing_if = "Vec::is_empty")]
    pub val_top1: Vec<f64>,
    #[serde(rename = "top1.all", default, skip_serializing_if = "Vec::is_empty")]
    test_top1: Vec<f64>,
}

impl Curve {
    /// The curves of one head; `None` where nothing was looked at.
    pub fn new(val_top1: &[f64], test_top1: &[f64]) -> Option<Self> {
        let rounded = |scores: &[f64]| scores.iter().map(|score| (score * 1e6).round() / 1e6).collect();
        let any = !val_top1.is_empty() || !test_top1.is_empty();
        any.then(|| Self { val_top1: rounded(val_top1), test_top1: rounded(test_top1) })
    }

    /// Whether accuracies are some.
    pub(super) fn check(&self) -> Result<(), String> {
        self.val_top1.iter().chain(&self.test_top1).try_for_each(|&top1| check_fraction("curve", top1))
    }

    /// On the test split; empty where no protocol chose by it.
    pub(crate) fn test(&self, _: Permit) -> &[f64] {
        &self.test_top1
    }
}
