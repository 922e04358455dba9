//! Per-class numbers of one head.

use serde::{Deserialize, Serialize};

/// Per-class numbers, each `[C]` or empty; `None` for a class where it is not defined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PerClass {
    /// Top-1 accuracy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accuracy: Vec<Option<f32>>,
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
}

impl PerClass {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "derived from f32 logits; more digits would only fill the records"
    )]
    pub(super) fn column(values: &[Option<f64>]) -> Vec<Option<f32>> {
        values.iter().map(|value| value.map(|value| value as f32).filter(|value| value.is_finite())).collect()
    }
}
