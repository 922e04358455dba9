//! What losses read of a batch beside its logits.

use crate::error::TrainError;
use tch::Tensor;

/// The samples of a batch as losses see them.
#[derive(Debug)]
pub(crate) struct Samples {
    /// `[B]`.
    pub(crate) labels: Tensor,
    /// |f|₁ of the features, `[B, 1, 1]`, where the losses [read](super::LossRows::reads_lengths) them.
    pub(crate) lengths: Option<Tensor>,
    /// `[B, 1, C]`, where the losses [read](super::LossRows::reads_noise) it.
    pub(crate) noise: Option<Tensor>,
}

/// A batch without what its losses read.
pub(super) fn missing() -> TrainError {
    TrainError::Torch("a batch lacks what its loss reads of its samples".to_owned())
}
