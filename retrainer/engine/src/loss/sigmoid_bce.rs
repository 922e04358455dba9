//! A binary cross-entropy for each class on sigmoids, with a focal factor of each class's own probability.
//!
//! With p = σ(z) and the factor `(1 − p)^γ` of a term −log p, the loss
//! `Σ_k t_k (1 − p_k)^γ (−log p_k) + (1 − t_k) p_k^γ (−log(1 − p_k))` has
//!
//! ```text
//! ∂L/∂z_k = t_k A(z_k) − (1 − t_k) A(−z_k)        A(z) = γ p (1 − p)^γ log p − (1 − p)^{γ+1}
//! ```
//!
//! which at γ = 0 is `p − t`.

use super::{Kernel, targets::Targets, terms::Stack};
use crate::error::TrainError;
use experiment::spec::loss::FOCAL;
use tch::Tensor;

/// The coefficients of H heads.
#[derive(Debug)]
pub(super) struct SigmoidBce {
    /// γ, `[1, H, 1]`.
    focal: Option<Tensor>,
}

impl SigmoidBce {
    pub(super) fn new(stack: &Stack<'_>) -> Result<Self, TrainError> {
        Ok(Self { focal: stack.term(&FOCAL)? })
    }
}

impl Kernel for SigmoidBce {
    fn gradient(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        let Some(focal) = &self.focal else {
            return targets.taken_off(logits.f_sigmoid()?);
        };
        let t = targets.dense(logits)?;
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

    #[cfg(test)]
    fn value(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        let log_p = logits.f_log_sigmoid()?;
        let log_miss = log_p.f_sub(logits)?;
        let none = log_p.f_zeros_like()?;
        let focal = self.focal.as_ref().unwrap_or(&none);
        let present = log_p.f_mul(&log_miss.f_mul(focal)?.f_exp()?)?;
        let absent = log_miss.f_mul(&log_p.f_mul(focal)?.f_exp()?)?;
        targets.binary_cross_entropy(&present, &absent)
    }
}
