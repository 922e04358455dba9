//! A binary cross-entropy for each class on softmax probabilities.
//!
//! With p = softmax(z), the loss `Σ_k t_k (−log p_k) + (1 − t_k) (−log(1 − p_k))` has
//!
//! ```text
//! ∂L/∂z_j = p_j − t_j − p_j Σ_{k≠j} h_k        h = (p − t) / (1 − p)
//! ```

use super::{Kernel, targets::Targets};
use crate::error::TrainError;
use tch::{Kind, Tensor};

/// Smallest 1 − p that is divided by, so that certain and wrong predictions have finite gradients.
const SMALLEST_MISS: f64 = 1e-12;

/// It has no coefficients of its own.
#[derive(Debug)]
pub(super) struct SoftmaxBce;

impl Kernel for SoftmaxBce {
    /// A difference loses its digits where the largest p is near 1, so that class is left out of sums instead of taken off
    /// them.
    fn gradient(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        let (p, miss, largest) = softmax_and_miss(logits)?;
        let t = targets.dense(logits)?;
        // h = (1 − t) p/(1 − p) − t
        let h = t.f_neg()?.f_add_scalar(1.0)?.f_mul(&p)?.f_div(&miss)?.f_sub(&t)?;
        let others = sum_without(&h, &largest)?;
        // Σ_{k≠j} h_k
        let rest =
            others.f_add(&h.f_gather(2, &largest, false)?)?.f_sub(&h)?.f_scatter(2, &largest, &others)?;
        Ok(p.f_sub(&t)?.f_sub(&p.f_mul(&rest)?)?)
    }

    #[cfg(test)]
    fn value(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        let (p, miss, _) = softmax_and_miss(logits)?;
        targets.binary_cross_entropy(&p.f_log()?, &miss.f_log()?)
    }
}

/// p, 1 − p, and the index `[B, H, 1]` of the largest p.
fn softmax_and_miss(logits: &Tensor) -> Result<(Tensor, Tensor, Tensor), TrainError> {
    let p = logits.f_softmax(2, Kind::Float)?;
    let largest = p.f_argmax(2, true)?;
    let others = sum_without(&p, &largest)?;
    let miss = p.f_neg()?.f_add_scalar(1.0)?.f_scatter(2, &largest, &others)?.f_clamp_min(SMALLEST_MISS)?;
    Ok((p, miss, largest))
}

/// Sum over classes but one, `[B, H, 1]`.
fn sum_without(values: &Tensor, index: &Tensor) -> Result<Tensor, TrainError> {
    let values = values.f_scatter_value(2, index, 0.0)?;
    Ok(values.f_sum_dim_intlist([2_i64].as_slice(), true, Kind::Float)?)
}
