//! A binary cross-entropy for each class, `Σ_k t_k (−log p_k) + (1 − t_k) (−log(1 − p_k))`.
//!
//! On sigmoids, p = σ(z), each term with a focal factor `(1 − p)^γ` of its own probability:
//!
//! ```text
//! ∂L/∂z_k = t_k A(z_k) − (1 − t_k) A(−z_k)        A(z) = γ p (1 − p)^γ log p − (1 − p)^{γ+1}
//! ```
//!
//! which at γ = 0 is `p − t`. On softmax probabilities:
//!
//! ```text
//! ∂L/∂z_j = p_j − t_j − p_j Σ_{k≠j} h_k        h = (p − t) / (1 − p)
//! ```

use super::Targets;
use crate::error::TrainError;
use tch::{Kind, Tensor};

/// Smallest 1 − p that is divided by, so that certain and wrong predictions have finite gradients.
const SMALLEST_MISS: f64 = 1e-12;

/// The gradient by adjusted logits on sigmoids, `[B, H, C]`; `focal` is γ, `[1, H, 1]`.
pub(super) fn sigmoid_gradient(
    logits: &Tensor,
    targets: &Targets,
    focal: Option<&Tensor>,
) -> Result<Tensor, TrainError> {
    let Some(focal) = focal else {
        return minus_target(logits.f_sigmoid()?, targets);
    };
    let t = dense(logits, targets)?;
    let log_p = logits.f_log_sigmoid()?;
    let log_miss = log_p.f_sub(logits)?;
    // A from log p and log(1 − p).
    let slope = |log_p: &Tensor, log_miss: &Tensor| -> Result<Tensor, TrainError> {
        let modulator = log_miss.f_mul(focal)?.f_exp()?;
        let inner = log_p.f_exp()?.f_mul(log_p)?.f_mul(focal)?.f_sub(&log_miss.f_exp()?)?;
        Ok(inner.f_mul(&modulator)?)
    };
    let (present, absent) = (slope(&log_p, &log_miss)?, slope(&log_miss, &log_p)?);
    // t A(z) − (1 − t) A(−z)
    Ok(t.f_mul(&present.f_add(&absent)?)?.f_sub(&absent)?)
}

/// The gradient by adjusted logits on softmax probabilities, `[B, H, C]`.
///
/// A difference loses its digits where the largest p is near 1, so that class is left out of sums instead of taken off them.
pub(super) fn softmax_gradient(logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
    let (p, miss, largest) = softmax_and_miss(logits)?;
    let t = dense(logits, targets)?;
    // h = (1 − t) p/(1 − p) − t
    let h = t.f_neg()?.f_add_scalar(1.0)?.f_mul(&p)?.f_div(&miss)?.f_sub(&t)?;
    let others = sum_without(&h, &largest)?;
    // Σ_{k≠j} h_k
    let rest = others.f_add(&h.f_gather(2, &largest, false)?)?.f_sub(&h)?.f_scatter(2, &largest, &others)?;
    Ok(p.f_sub(&t)?.f_sub(&p.f_mul(&rest)?)?)
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

/// p − t, in place.
fn minus_target(mut p: Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
    if let Some(spread) = &targets.spread {
        let _ = p.f_sub_(spread)?;
    }
    let _ = p.f_scatter_add_(2, &targets.index, &targets.target.f_neg()?)?;
    Ok(p)
}

/// t, `[B, H, C]`.
fn dense(like: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
    Ok(minus_target(like.f_zeros_like()?, targets)?.f_neg()?)
}

/// The loss of each sample and head on sigmoids, `[B, H, 1]`.
#[cfg(test)]
pub(super) fn sigmoid_value(
    logits: &Tensor,
    targets: &Targets,
    focal: Option<&Tensor>,
) -> Result<Tensor, TrainError> {
    let t = dense(logits, targets)?;
    let log_p = logits.f_log_sigmoid()?;
    let log_miss = log_p.f_sub(logits)?;
    let none = t.f_zeros_like()?;
    let focal = focal.unwrap_or(&none);
    let present = log_p.f_mul(&log_miss.f_mul(focal)?.f_exp()?)?;
    let absent = log_miss.f_mul(&log_p.f_mul(focal)?.f_exp()?)?;
    summed(&t, &present, &absent)
}

/// The loss of each sample and head on softmax probabilities, `[B, H, 1]`.
#[cfg(test)]
pub(super) fn softmax_value(logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
    let (p, miss, _) = softmax_and_miss(logits)?;
    summed(&dense(logits, targets)?, &p.f_log()?, &miss.f_log()?)
}

/// `−Σ_k t_k present_k + (1 − t_k) absent_k`.
#[cfg(test)]
fn summed(t: &Tensor, present: &Tensor, absent: &Tensor) -> Result<Tensor, TrainError> {
    let terms = t.f_mul(&present.f_sub(absent)?)?.f_add(absent)?;
    Ok(terms.f_sum_dim_intlist([2_i64].as_slice(), true, Kind::Float)?.f_neg()?)
}
