//! What heads cost, by the matrix products that they cannot do without.

use super::{group::GroupKey, shape::CacheShape};
use crate::{
    protocol::{HeldOut, Protocols},
    spec::Classifier,
};

/// Floating-point operations of the matrix products of heads that train together: forward and backward of training, forward of
/// evaluation; without a key heads that are not trained.
pub(super) fn flops(shape: CacheShape, protocols: &Protocols, key: Option<GroupKey>, heads: usize) -> f64 {
    let head = 2.0 * shape.dim as f64 * shape.classes as f64;
    let Some(key) = key else { return head * (heads * (shape.val + shape.test)) as f64 };
    // For each score every epoch where a protocol chooses by it, and once after the last one.
    let times = |split| (key.stream.epochs * protocols.scores(split).len()).max(1);
    let evaluated = times(HeldOut::Val) * shape.val + times(HeldOut::Test) * shape.test;
    let trained = key.stream.epochs * shape.samples;
    match key.classifier {
        Classifier::Linear | Classifier::Cosine => head * (2 * trained + evaluated) as f64 * heads as f64,
        // The stage-1 logits serve all heads.
        Classifier::Rescaled | Classifier::Aligned | Classifier::MarginCalibrated => {
            head * (trained + evaluated) as f64
        }
    }
}
