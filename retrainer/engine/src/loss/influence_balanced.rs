//! Softmax cross-entropy over the influence of a sample on the weights of a linear head.
//!
//! With target t, cross-entropy `S = Σ_k t_k (−log p_k)`, `h = |f|₁` and `D = 2 (1 − p_y) h + ε` the loss `S α/D` has
//!
//! ```text
//! ∂L/∂z_k = (α/D) (p_k − t_k) + q (1_{k=y} − p_k)        q = share · 2 h α p_y S / D²
//! ```
//!
//! where the share is 0 if the influence is held fixed, else 1.
//!
//! # Source
//! Park et al. 2021 (ICCV), Eq. 9: 2 (1 − p_y) is |p − 1_y|₁.

use super::{Kernel, samples::missing, softmax::cross_entropy, targets::Targets, terms::Stack};
use crate::error::TrainError;
use experiment::spec::loss::{INFLUENCE, INFLUENCE_FLOOR, INFLUENCE_GRADIENT};
use tch::{Kind, Tensor};

/// The coefficients of H heads, `[1, H, 1]` each.
#[derive(Debug)]
pub(super) struct InfluenceBalanced {
    /// α.
    alpha: Tensor,
    /// ε.
    epsilon: Tensor,
    share: Option<Tensor>,
}

/// What the weight of each sample and head is made of, `[B, H, 1]`.
struct Weight {
    /// log p, `[B, H, C]`.
    log_p: Tensor,
    /// 2 h.
    twice: Tensor,
    /// D.
    influence: Tensor,
}

impl InfluenceBalanced {
    pub(super) fn new(stack: &Stack<'_>) -> Result<Self, TrainError> {
        Ok(Self {
            alpha: stack.all(&INFLUENCE)?,
            epsilon: stack.all(&INFLUENCE_FLOOR)?,
            share: stack.term(&INFLUENCE_GRADIENT)?,
        })
    }

    fn weight(&self, logits: &Tensor, targets: &Targets) -> Result<Weight, TrainError> {
        let twice = targets.lengths.as_ref().ok_or_else(missing)?.f_mul_scalar(2.0)?;
        let log_p = logits.f_log_softmax(2, Kind::Float)?;
        // 1 − p_y of a sure sample has no digits left in f32.
        let miss = log_p.f_gather(2, &targets.index, false)?.f_expm1()?.f_neg()?;
        let influence = miss.f_mul(&twice)?.f_add(&self.epsilon)?;
        Ok(Weight { log_p, twice, influence })
    }
}

impl Kernel for InfluenceBalanced {
    fn gradient(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        let Weight { log_p, twice, influence } = self.weight(logits, targets)?;
        let p = log_p.f_exp()?;
        let factor = self.alpha.f_div(&influence)?;
        let Some(share) = &self.share else { return Ok(targets.taken_off(p)?.f_mul(&factor)?) };
        let own = p.f_gather(2, &targets.index, false)?;
        let pull = factor.f_div(&influence)?.f_mul(&twice)?.f_mul(&own)?;
        let pull = pull.f_mul(&cross_entropy(&log_p, targets)?)?.f_mul(share)?;
        let pulled = p.f_mul(&pull)?;
        let mut gradient = targets.taken_off(p)?.f_mul(&factor)?.f_sub(&pulled)?;
        let _ = gradient.f_scatter_add_(2, &targets.index, &pull)?;
        Ok(gradient)
    }

    #[cfg(test)]
    fn value(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        let Weight { log_p, influence, .. } = self.weight(logits, targets)?;
        Ok(cross_entropy(&log_p, targets)?.f_mul(&self.alpha)?.f_div(&influence)?)
    }
}
