//! How logits and confidences are distributed: what the figures show beside means.

use super::histogram::Histogram;
use serde::{Deserialize, Serialize};

/// Histograms behind the per-class numbers of one head.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distributions {
    /// Logits z_k of samples of class k, over the classes of each group.
    pub positive: GroupHistograms,
    /// Logits z_k of samples of other classes. With many classes a sample adds every s-th column only, s =
    /// min(16, C / 6), from a place that changes with the sample: shapes are kept, the pass stays cheap.
    pub negative: GroupHistograms,
    /// The bins of the expected calibration error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reliability: Option<Reliability>,
}

/// A histogram of each group of classes; absent for a group without values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupHistograms {
    /// Classes with more than 100 training samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub many: Option<Histogram>,
    /// Classes with 20 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<Histogram>,
    /// Classes with fewer than 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub few: Option<Histogram>,
}

/// Reliability diagram: bins of the confidence ((m − 1)/15, m/15], columns `[15]`.
///
/// # Source
/// Guo et al. 2017, "On Calibration of Modern Neural Networks", Section 2.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Samples.
    pub count: Vec<u64>,
    /// Mean of their largest probabilities; 0 without sample.
    pub confidence: Vec<f32>,
    /// Share of them that is right; 0 without sample.
    pub accuracy: Vec<f32>,
}
