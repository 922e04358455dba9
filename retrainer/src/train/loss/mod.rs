//! The unified loss of a group: values for tests, closed-form gradients for training.
//!
//! With target t, weight w, probability p and focal factor `m = (1 − p_y)^γ`, the loss `w m S`, `S = Σ_k t_k (−log p_k)`, has
//!
//! ```text
//! ∂L/∂z_k = w [ (m + q) p_k − m t_k − q 1_{k=y} ] · scale_k        q = γ (1 − p_y)^{γ−1} p_y S
//! ```
//!
//! which at γ = 0 is the softmax gradient `w (p − t)`. Every coefficient is one number for each sample and head.

use super::{
    bridge::{from_f64, size},
    error::TrainError,
};
use crate::{head::Loss, methods::Reduction};
use tch::{Device, Kind, Tensor};

/// The losses of H heads as rows of coefficients; a part that is neutral for all heads costs nothing.
#[derive(Debug)]
pub(super) struct LossRows {
    heads: i64,
    classes: i64,
    /// `[1, H, C]`.
    scale: Option<Tensor>,
    /// `[1, H, C]`.
    offset: Option<Tensor>,
    /// `[C, H]`, by label.
    margin: Option<Tensor>,
    /// 1 − δ, `[C, H]`, by label.
    target: Tensor,
    /// δ / C, `[C, H]`, by label.
    spread: Option<Tensor>,
    /// `[C, H]`, by label.
    weight: Option<Tensor>,
    /// γ, `[1, H, 1]`.
    focal: Option<Tensor>,
    /// What each head's batch loss is divided by.
    reductions: Vec<Reduction>,
}

/// What the losses of a batch are divided by.
#[derive(Debug)]
pub(super) enum Divisor {
    /// The same number for all heads.
    Shared(f64),
    /// A number for each head, `[1, H]`.
    PerHead(Tensor),
}

impl Divisor {
    /// The number that gradients still have to be divided by.
    pub(super) fn shared(&self) -> f64 {
        match self {
            Self::Shared(divisor) => *divisor,
            Self::PerHead(_) => 1.0,
        }
    }
}

/// Intermediate values at the logits of a batch.
struct Softmax {
    /// p, `[B, H, C]`.
    probabilities: Tensor,
    /// log p, only where the focal factor or the loss value needs it.
    log_probabilities: Option<Tensor>,
    /// y as an index into the last axis, `[B, H, 1]`.
    index: Tensor,
}

impl LossRows {
    /// Collects the losses of a group.
    pub(super) fn new(losses: &[(&Loss, Reduction)], device: Device) -> Result<Self, TrainError> {
        let classes = losses.first().map_or(0, |(loss, _)| loss.classes());
        let (heads, c) = (size(losses.len()), size(classes));
        let rows = |part: fn(&Loss) -> &Vec<f64>| -> Vec<f64> {
            losses.iter().flat_map(|(loss, _)| part(loss).iter().copied()).collect()
        };
        // `[H, C]` to `[C, H]`: a batch selects the rows of its labels.
        let by_label = |values: Vec<f64>| -> Result<Tensor, TrainError> {
            Ok(from_f64(&values, &[heads, c], device)?.f_tr()?.f_contiguous()?)
        };
        let needed =
            |values: Vec<f64>, neutral: f64| values.iter().any(|&value| value != neutral).then_some(values);
        let by_class = |values: Option<Vec<f64>>| {
            values.map(|values| from_f64(&values, &[1, heads, c], device)).transpose()
        };
        let smoothing = rows(|loss| &loss.smoothing);
        let spread = needed(smoothing.iter().map(|delta| delta / classes as f64).collect(), 0.0);
        let focal = needed(losses.iter().map(|(loss, _)| loss.focal).collect(), 0.0);
        Ok(Self {
            heads,
            classes: c,
            scale: by_class(needed(rows(|loss| &loss.scale), 1.0))?,
            offset: by_class(needed(rows(|loss| &loss.offset), 0.0))?,
            margin: needed(rows(|loss| &loss.margin), 0.0).map(by_label).transpose()?,
            target: by_label(smoothing.iter().map(|delta| 1.0 - delta).collect())?,
            spread: spread.map(by_label).transpose()?,
            weight: needed(rows(|loss| &loss.weight), 1.0).map(by_label).transpose()?,
            focal: focal.map(|values| from_f64(&values, &[1, heads, 1], device)).transpose()?,
            reductions: losses.iter().map(|(_, reduction)| *reduction).collect(),
        })
    }

    /// What the losses of a batch with these labels `[B]` are divided by.
    pub(super) fn divisor(&self, labels: &Tensor) -> Result<Divisor, TrainError> {
        let batch = labels.size().first().copied().unwrap_or(0) as f64;
        let uniform = self.weight.is_none() && !self.reductions.contains(&Reduction::ElementMean);
        let batch_only = self.reductions.iter().all(|reduction| *reduction == Reduction::BatchMean);
        if uniform || batch_only {
            return Ok(Divisor::Shared(batch));
        }
        let weights = match &self.weight {
            None => Tensor::f_full([1, self.heads], batch, (Kind::Float, self.target.device()))?,
            Some(weight) => {
                weight.f_index_select(0, labels)?.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?
            }
        };
        for (head, reduction) in self.reductions.iter().enumerate() {
            let constant = match reduction {
                Reduction::WeightedMean => continue,
                Reduction::BatchMean => batch,
                Reduction::ElementMean => batch * self.classes as f64,
            };
            let _ = weights.f_narrow(1, size(head), 1)?.f_fill_(constant)?;
        }
        Ok(Divisor::PerHead(weights))
    }

    /// Gradient of each head's loss by its raw logits, times the shared divisor where there is one: `[B, H·C]`.
    ///
    /// `logits` `[B, H·C]` are overwritten.
    pub(super) fn gradient(
        &self,
        logits: Tensor,
        labels: &Tensor,
        divisor: &Divisor,
    ) -> Result<Tensor, TrainError> {
        let state = self.softmax(logits, labels, self.focal.is_some())?;
        let target = self.select(&self.target, labels)?;
        let spread = self.spread.as_ref().map(|rows| self.select(rows, labels)).transpose()?;
        let mut row_weight = self.weight.as_ref().map(|rows| self.select(rows, labels)).transpose()?;
        if let Divisor::PerHead(divisor) = divisor {
            let factor = divisor.f_reciprocal()?.f_unsqueeze(2)?;
            row_weight = Some(match row_weight {
                None => factor,
                Some(weight) => weight.f_mul(&factor)?,
            });
        }
        let (mut gradient, index) = (state.probabilities, state.index);
        if let (Some(focal), Some(log_p)) = (&self.focal, &state.log_probabilities) {
            let p_y = gradient.f_gather(2, &index, false)?;
            let loss = cross_entropy(log_p, &index, &target, spread.as_ref())?;
            // 1 − p_y can be 0 in f32, and its power infinite for γ < 1; the limit of the product is 0.
            let miss = p_y.f_neg()?.f_add_scalar(1.0)?.f_clamp_min(1e-12)?;
            let modulator = miss.f_pow(focal)?;
            let pull = modulator.f_mul(focal)?.f_div(&miss)?.f_mul(&p_y)?.f_mul(&loss)?;
            let _ = gradient.f_mul_(&modulator.f_add(&pull)?)?;
            if let Some(spread) = &spread {
                let _ = gradient.f_sub_(&spread.f_mul(&modulator)?)?;
            }
            let at_label = target.f_mul(&modulator)?.f_add(&pull)?.f_neg()?;
            let _ = gradient.f_scatter_add_(2, &index, &at_label)?;
        } else {
            if let Some(spread) = &spread {
                let _ = gradient.f_sub_(spread)?;
            }
            let _ = gradient.f_scatter_add_(2, &index, &target.f_neg()?)?;
        }
        if let Some(weight) = row_weight {
            let _ = gradient.f_mul_(&weight)?;
        }
        if let Some(scale) = &self.scale {
            let _ = gradient.f_mul_(scale)?;
        }
        Ok(gradient.f_view([-1, self.heads * self.classes])?)
    }

    /// Each head's loss, `[H]`.
    #[cfg(test)]
    pub(super) fn value(&self, logits: Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
        let divisor = match self.divisor(labels)? {
            Divisor::Shared(divisor) => {
                Tensor::f_full([1, self.heads], divisor, (Kind::Float, labels.device()))?
            }
            Divisor::PerHead(divisor) => divisor,
        };
        let state = self.softmax(logits, labels, true)?;
        let target = self.select(&self.target, labels)?;
        let spread = self.spread.as_ref().map(|rows| self.select(rows, labels)).transpose()?;
        let Some(log_p) = &state.log_probabilities else { return Ok(divisor) };
        let mut loss = cross_entropy(log_p, &state.index, &target, spread.as_ref())?;
        if let Some(focal) = &self.focal {
            let miss = state.probabilities.f_gather(2, &state.index, false)?.f_neg()?.f_add_scalar(1.0)?;
            loss = loss.f_mul(&miss.f_pow(focal)?)?;
        }
        if let Some(weight) = &self.weight {
            loss = loss.f_mul(&self.select(weight, labels)?)?;
        }
        let sum = loss.f_squeeze_dim(2)?.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?;
        Ok(sum.f_div(&divisor)?.f_squeeze_dim(0)?)
    }

    /// The rows of a batch's labels, `[B, H, 1]`.
    fn select(&self, rows: &Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
        Ok(rows.f_index_select(0, labels)?.f_unsqueeze(2)?)
    }

    fn softmax(&self, logits: Tensor, labels: &Tensor, with_log: bool) -> Result<Softmax, TrainError> {
        let mut logits = logits.f_view([-1, self.heads, self.classes])?;
        let index = labels.f_view([-1, 1, 1])?.f_expand([-1, self.heads, 1], false)?;
        if let Some(scale) = &self.scale {
            let _ = logits.f_mul_(scale)?;
        }
        if let Some(offset) = &self.offset {
            let _ = logits.f_add_(offset)?;
        }
        if let Some(margin) = &self.margin {
            let _ = logits.f_scatter_add_(2, &index, &self.select(margin, labels)?.f_neg()?)?;
        }
        let log_probabilities = with_log.then(|| logits.f_log_softmax(2, Kind::Float)).transpose()?;
        let probabilities = match &log_probabilities {
            Some(log_p) => log_p.f_exp()?,
            None => logits.f_softmax(2, Kind::Float)?,
        };
        Ok(Softmax { probabilities, log_probabilities, index })
    }
}

/// `Σ_k t_k (−log p_k)` of each sample and head, `[B, H, 1]`.
fn cross_entropy(
    log_p: &Tensor,
    index: &Tensor,
    target: &Tensor,
    spread: Option<&Tensor>,
) -> Result<Tensor, TrainError> {
    let at_label = log_p.f_gather(2, index, false)?.f_mul(target)?;
    let all = match spread {
        None => at_label,
        Some(spread) => {
            let sum = log_p.f_sum_dim_intlist([2_i64].as_slice(), true, Kind::Float)?;
            at_label.f_add(&sum.f_mul(spread)?)?
        }
    };
    Ok(all.f_neg()?)
}
