//! Per-class numbers of one head.

use super::{confusions::PackedConfusions, distributions::Distributions, hits::PackedHits};
use serde::{Deserialize, Serialize};

/// Per-class numbers, each `[C]` or empty; `None` for a class where it is not defined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PerClass {
    /// Top-1 accuracy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accuracy: Vec<Option<f32>>,
    /// Mean of the logits z_k of the samples of class k; that of the other samples is M_k less.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub positive_mean: Vec<Option<f32>>,
    /// ln E[exp(z_k − E z_k)] over the samples of class k: the measured effect of Proposition 3, σ²/2 for normal logits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_perturbation: Vec<Option<f32>>,
    /// Logits Magnitude M_k (Eq. 4).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logits_magnitude: Vec<Option<f32>>,
    /// Regularized Standard Deviation R_k (Eq. 8) of the positives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regularized_std_pos: Vec<Option<f32>>,
    /// R_k of the negatives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regularized_std_neg: Vec<Option<f32>>,
    /// R_k of all samples.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regularized_std_all: Vec<Option<f32>>,
    /// Euclidean norm of the classifier row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weight_norm: Vec<Option<f32>>,
    /// The histograms behind these numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distributions: Option<Distributions>,
    /// Which samples of each class are right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hits: Option<PackedHits>,
    /// Which classes the samples of each class are taken for; older programs recorded none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusions: Option<PackedConfusions>,
}

impl PerClass {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "derived from f32 logits; more digits would only fill the records"
    )]
    pub(super) fn column(values: &[Option<f64>]) -> Vec<Option<f32>> {
        values.iter().map(|value| value.map(|value| value as f32).filter(|value| value.is_finite())).collect()
    }

    /// The same with five significant digits: enough for figures, and half the bytes.
    pub(super) fn short_column(values: &[Option<f64>]) -> Vec<Option<f32>> {
        values.iter().map(|value| value.and_then(short)).collect()
    }
}

/// Five significant digits of a finite number.
pub(super) fn short(value: f64) -> Option<f32> {
    format!("{value:.4e}").parse().ok().filter(|value: &f32| value.is_finite())
}
