//! The unified loss of a group: values for tests, closed-form gradients for training.
//!
//! The adjusted logits `scale ⊙ z + offset − margin_y 1_y` go into the group's family ([`softmax`], [`binary`]), which gives
//! the gradient by them; class weight, divisor and scale follow. [`lader`] adds a term by the raw logits. Every coefficient
//! is one number for each sample and head, and a part that is neutral for all heads costs nothing.

mod binary;
mod lader;
mod softmax;

use super::{
    bridge::{from_f64, size},
    error::TrainError,
};
use experiment::{
    head::{Family, Loss},
    methods::Reduction,
};
use lader::LaderRows;
use tch::{Device, Kind, Tensor};

/// The losses of H heads as rows of coefficients; a part that is neutral for all heads costs nothing.
#[derive(Debug)]
pub(super) struct LossRows {
    family: Family,
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
    lader: Option<LaderRows>,
    /// Whether all heads' losses are divided by the batch size.
    batch_means: bool,
    /// What is divided by where they are not: `by_weight · Σ weight + by_sample · B`, `[1, H]` each.
    by_weight: Tensor,
    by_sample: Tensor,
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

/// The targets of a batch: `t = target 1_y + spread`.
struct Targets {
    /// y as an index into the last axis, `[B, H, 1]`.
    index: Tensor,
    /// 1 − δ, `[B, H, 1]`.
    target: Tensor,
    /// δ / C, `[B, H, 1]`.
    spread: Option<Tensor>,
}

impl LossRows {
    /// Collects the losses of a group, which are of one family.
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
        let weight = needed(rows(|loss| &loss.weight), 1.0).map(by_label).transpose()?;
        let divisor = |reduction: &Reduction| match reduction {
            Reduction::WeightedMean if weight.is_some() => (1.0, 0.0),
            Reduction::WeightedMean | Reduction::BatchMean => (0.0, 1.0),
            Reduction::ElementMean => (0.0, classes as f64),
        };
        let divisors: Vec<(f64, f64)> = losses.iter().map(|(_, reduction)| divisor(reduction)).collect();
        let (by_weight, by_sample): (Vec<f64>, Vec<f64>) = divisors.iter().copied().unzip();
        Ok(Self {
            family: losses.first().map(|(loss, _)| loss.family).unwrap_or_default(),
            heads,
            classes: c,
            scale: by_class(needed(rows(|loss| &loss.scale), 1.0))?,
            offset: by_class(needed(rows(|loss| &loss.offset), 0.0))?,
            margin: needed(rows(|loss| &loss.margin), 0.0).map(by_label).transpose()?,
            target: by_label(smoothing.iter().map(|delta| 1.0 - delta).collect())?,
            spread: spread.map(by_label).transpose()?,
            weight,
            focal: focal.map(|values| from_f64(&values, &[1, heads, 1], device)).transpose()?,
            lader: LaderRows::new(losses, classes, device)?,
            batch_means: divisors.iter().all(|&divisor| divisor == (0.0, 1.0)),
            by_weight: from_f64(&by_weight, &[1, heads], device)?,
            by_sample: from_f64(&by_sample, &[1, heads], device)?,
        })
    }

    /// What the losses of a batch with these labels `[B]` are divided by.
    pub(super) fn divisor(&self, labels: &Tensor) -> Result<Divisor, TrainError> {
        let batch = labels.size().first().copied().unwrap_or(0) as f64;
        if self.batch_means {
            return Ok(Divisor::Shared(batch));
        }
        let samples = self.by_sample.f_mul_scalar(batch)?;
        let Some(weight) = &self.weight else { return Ok(Divisor::PerHead(samples)) };
        let weights = weight.f_index_select(0, labels)?;
        let weights = weights.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?;
        Ok(Divisor::PerHead(samples.f_addcmul(&weights, &self.by_weight)?))
    }

    /// Gradient of each head's loss by its raw logits, times the shared divisor where there is one: `[B, H·C]`.
    ///
    /// `logits` `[B, H·C]` are overwritten.
    pub(super) fn gradient(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        divisor: &Divisor,
    ) -> Result<Tensor, TrainError> {
        let logits = logits.f_view([-1, self.heads, self.classes])?;
        // By the raw logits, so before they are overwritten.
        let lader = self.lader.as_ref().map(|rows| rows.gradient(&logits, labels)).transpose()?;
        let targets = self.targets(labels)?;
        self.adjust(&logits, labels, &targets)?;
        let mut gradient = match self.family {
            Family::Softmax => softmax::gradient(&logits, &targets, self.focal.as_ref())?,
            Family::SigmoidBce => binary::sigmoid_gradient(&logits, &targets, self.focal.as_ref())?,
            Family::SoftmaxBce => binary::softmax_gradient(&logits, &targets)?,
        };
        let mut row_weight = self.weight.as_ref().map(|rows| select(rows, labels)).transpose()?;
        if let Divisor::PerHead(divisor) = divisor {
            let factor = divisor.f_reciprocal()?.f_unsqueeze(2)?;
            row_weight = Some(match row_weight {
                None => factor,
                Some(weight) => weight.f_mul(&factor)?,
            });
        }
        if let Some(weight) = row_weight {
            let _ = gradient.f_mul_(&weight)?;
        }
        if let Some(scale) = &self.scale {
            let _ = gradient.f_mul_(scale)?;
        }
        if let Some(lader) = lader {
            let _ = gradient.f_add_(&lader.f_mul_scalar(divisor.shared())?)?;
        }
        Ok(gradient.f_view([-1, self.heads * self.classes])?)
    }

    /// Each head's loss, `[H]`.
    #[cfg(test)]
    pub(super) fn value(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
        let divisor = match self.divisor(labels)? {
            Divisor::Shared(divisor) => {
                Tensor::f_full([1, self.heads], divisor, (Kind::Float, labels.device()))?
            }
            Divisor::PerHead(divisor) => divisor,
        };
        let logits = logits.f_view([-1, self.heads, self.classes])?;
        let lader = self.lader.as_ref().map(|rows| rows.value(&logits, labels)).transpose()?;
        let targets = self.targets(labels)?;
        self.adjust(&logits, labels, &targets)?;
        let mut loss = match self.family {
            Family::Softmax => softmax::value(&logits, &targets, self.focal.as_ref())?,
            Family::SigmoidBce => binary::sigmoid_value(&logits, &targets, self.focal.as_ref())?,
            Family::SoftmaxBce => binary::softmax_value(&logits, &targets)?,
        };
        if let Some(weight) = &self.weight {
            loss = loss.f_mul(&select(weight, labels)?)?;
        }
        let sum = loss.f_squeeze_dim(2)?.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?;
        let mean = sum.f_div(&divisor)?.f_squeeze_dim(0)?;
        Ok(match lader {
            None => mean,
            Some(lader) => mean.f_add(&lader)?,
        })
    }

    fn targets(&self, labels: &Tensor) -> Result<Targets, TrainError> {
        Ok(Targets {
            index: labels.f_view([-1, 1, 1])?.f_expand([-1, self.heads, 1], false)?,
            target: select(&self.target, labels)?,
            spread: self.spread.as_ref().map(|rows| select(rows, labels)).transpose()?,
        })
    }

    /// Turns raw logits `[B, H, C]` into adjusted ones, in place.
    fn adjust(&self, logits: &Tensor, labels: &Tensor, targets: &Targets) -> Result<(), TrainError> {
        let mut logits = logits.shallow_clone();
        if let Some(scale) = &self.scale {
            let _ = logits.f_mul_(scale)?;
        }
        if let Some(offset) = &self.offset {
            let _ = logits.f_add_(offset)?;
        }
        if let Some(margin) = &self.margin {
            let _ = logits.f_scatter_add_(2, &targets.index, &select(margin, labels)?.f_neg()?)?;
        }
        Ok(())
    }
}

/// The rows of a batch's labels, `[B, H, 1]`.
fn select(rows: &Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
    Ok(rows.f_index_select(0, labels)?.f_unsqueeze(2)?)
}
