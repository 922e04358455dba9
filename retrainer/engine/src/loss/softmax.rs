//! Cross-entropy on softmax probabilities, with smoothed targets and focal factor.
//!
//! With target t, probability p and focal factor `m = (1 − p_y)^γ`, the loss `m S`, `S = Σ_k t_k (−log p_k)`, has
//!
//! ```text
//! ∂L/∂z_k = (m + q) p_k − m t_k − q 1_{k=y}        q = γ (1 − p_y)^{γ−1} p_y S
//! ```
//!
//! which at γ = 0 is the softmax gradient `p − t`. Where the factor is held fixed q counts with its share, 0.

use super::{Kernel, targets::Targets, terms::Stack};
use crate::error::TrainError;
use experiment::spec::loss::{FOCAL, FOCAL_GRADIENT};
use tch::{Device, Kind, Tensor};

/// Probabilities below this count as 0 on a CPU: no sum over a batch sees them, and a product of numbers near the end of f32
/// (from logits that lie 87 apart on) takes it some fifty times longer. A GPU is spared the pass.
const SMALLEST: f64 = 1e-30;

fn without_smallest(mut probabilities: Tensor) -> Result<Tensor, TrainError> {
    if probabilities.device() == Device::Cpu {
        let _ = probabilities.f_threshold_(SMALLEST, 0.0)?;
    }
    Ok(probabilities)
}

/// The coefficients of H heads.
#[derive(Debug)]
pub(super) struct Softmax {
    /// γ, `[1, H, 1]`.
    focal: Option<Tensor>,
    /// Share of the factor's gradient, `[1, H, 1]`.
    share: Option<Tensor>,
}

impl Softmax {
    pub(super) fn new(stack: &Stack<'_>) -> Result<Self, TrainError> {
        Ok(Self { focal: stack.term(&FOCAL)?, share: stack.term(&FOCAL_GRADIENT)? })
    }
}

impl Kernel for Softmax {
    fn gradient(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        let Some(focal) = &self.focal else {
            return targets.taken_off(without_smallest(logits.f_softmax(2, Kind::Float)?)?);
        };
        let Targets { index, target, spread, .. } = targets;
        let log_p = logits.f_log_softmax(2, Kind::Float)?;
        let mut gradient = without_smallest(log_p.f_exp()?)?;
        let p_y = gradient.f_gather(2, index, false)?;
        let loss = cross_entropy(&log_p, targets)?;
        // 1 − p_y can be 0 in f32, and its power infinite for γ < 1; the limit of the product is 0.
        let miss = p_y.f_neg()?.f_add_scalar(1.0)?.f_clamp_min(1e-12)?;
        let modulator = miss.f_pow(focal)?;
        let mut pull = modulator.f_mul(focal)?.f_div(&miss)?.f_mul(&p_y)?.f_mul(&loss)?;
        if let Some(share) = &self.share {
            pull = pull.f_mul(share)?;
        }
        let _ = gradient.f_mul_(&modulator.f_add(&pull)?)?;
        if let Some(spread) = spread {
            let _ = gradient.f_sub_(&spread.f_mul(&modulator)?)?;
        }
        let at_label = target.f_mul(&modulator)?.f_add(&pull)?.f_neg()?;
        let _ = gradient.f_scatter_add_(2, index, &at_label)?;
        Ok(gradient)
    }

    #[cfg(test)]
    fn value(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
        let log_p = logits.f_log_softmax(2, Kind::Float)?;
        let loss = cross_entropy(&log_p, targets)?;
        let Some(focal) = &self.focal else { return Ok(loss) };
        let miss = log_p.f_gather(2, &targets.index, false)?.f_exp()?.f_neg()?.f_add_scalar(1.0)?;
        Ok(loss.f_mul(&miss.f_pow(focal)?)?)
    }
}

/// `Σ_k t_k (−log p_k)` of each sample and head, `[B, H, 1]`.
pub(super) fn cross_entropy(log_p: &Tensor, targets: &Targets) -> Result<Tensor, TrainError> {
    let at_label = log_p.f_gather(2, &targets.index, false)?.f_mul(&targets.target)?;
    let all = match &targets.spread {
        None => at_label,
        Some(spread) => {
            let sum = log_p.f_sum_dim_intlist([2_i64].as_slice(), true, Kind::Float)?;
            at_label.f_add(&sum.f_mul(spread)?)?
        }
    };
    Ok(all.f_neg()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use torch::numbers::{from_f32, from_i64, to_f32};

    /// A step of a head whose logits lie 90 to 100 apart once took 34 times as long as one of other heads.
    #[test]
    fn probabilities_near_the_end_of_f32_are_zero_and_a_diverged_head_stays_so() {
        let logits = [0.0, -60.0, -90.0, -100.0, f32::NAN, 0.0, 0.0, 0.0];
        let logits = from_f32(&logits, &[2, 1, 4], Device::Cpu).unwrap();
        let targets = Targets {
            index: from_i64(&[0, 0], &[2, 1, 1], Device::Cpu).unwrap(),
            target: Tensor::ones([2, 1, 1], (Kind::Float, Device::Cpu)),
            spread: None,
            lengths: None,
        };
        let focal = from_f32(&[2.0], &[1, 1, 1], Device::Cpu).unwrap();
        let gradient =
            |focal| to_f32(&Softmax { focal, share: None }.gradient(&logits, &targets).unwrap()).unwrap();
        for focal in [None, Some(focal)] {
            let gradient = gradient(focal);
            assert!(gradient[..4].iter().all(|g| *g == 0.0 || g.abs() > 1e-30), "{gradient:?}");
            assert_eq!(gradient[2..4], [0.0, 0.0]);
            assert!(gradient[4..].iter().all(|g| g.is_nan()), "{gradient:?}");
        }
        // exp(−60) is far from the end, and stays.
        let plain = gradient(None);
        assert!((f64::from(plain[1]) / (-60.0_f64).exp() - 1.0).abs() < 1e-5, "{plain:?}");
    }
}
