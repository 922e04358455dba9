//! Softmax cross-entropy of logits that depend on the true class.
//!
//! ```text
//! z'_k = z_k + min(0, m_k − m_y) + q max(0, log p_k − max(log p_y, log ε))        m_k = p log n_k
//! ```
//!
//! with p = softmax(z), through which no gradient flows, so that the gradient is that of the cross-entropy at z'. Both
//! summands are 0 for the true class itself.
//!
//! # Source
//! Wang et al. 2021 (CVPR); ε of their code.

use super::{Kernel, softmax::Softmax, targets::Targets, terms::Stack};
use crate::error::TrainError;
use experiment::spec::loss::{COMPENSATION, MITIGATION};
use tch::{Kind, Tensor};

/// ε: the smallest probability of the true class that rivals are compared with.
const SMALLEST: f64 = 0.01;

/// The coefficients of H heads.
#[derive(Debug)]
pub(super) struct Seesaw {
    /// m, `[1, H, C]`.
    mitigation: Option<Tensor>,
    /// q, `[1, H, 1]`.
    compensation: Option<Tensor>,
    softmax: Softmax,
}

impl Seesaw {
    pub(super) fn new(stack: &Stack<'_>) -> Result<Self, TrainError> {
        Ok(Self {
            mitigation: stack.term(&MITIGATION)?,
            compensation: stack.term(&COMPENSATION)?,
            softmax: Softmax::new(stack)?,
        })
    }

    /// z', `[B, H, C]`.
    fn adjusted(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        let mut adjusted = logits.shallow_clone();
        if let Some(sizes) = &self.mitigation {
            let own = sizes.f_expand_as(logits)?.f_gather(2, &targets.index, false)?;
            adjusted = adjusted.f_add(&sizes.f_sub(&own)?.f_clamp_max(0.0)?)?;
        }
        if let Some(exponent) = &self.compensation {
            let log_p = logits.f_log_softmax(2, Kind::Float)?;
            let own = log_p.f_gather(2, &targets.index, false)?.f_clamp_min(SMALLEST.ln())?;
            adjusted = adjusted.f_add(&log_p.f_sub(&own)?.f_clamp_min(0.0)?.f_mul(exponent)?)?;
        }
        Ok(adjusted)
    }
}

impl Kernel for Seesaw {
    fn gradient(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        self.softmax.gradient(&self.adjusted(logits, targets)?, targets)
    }

    #[cfg(test)]
    fn value(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        self.softmax.value(&self.adjusted(logits, targets)?, targets)
    }
}
