//! The unified loss of a group: values for tests, closed-form gradients for training.
//!
//! The adjusted logits `scale ⊙ z + offset − margin_y 1_y` go into the group's family ([`Kernel`], a file each), which gives
//! the gradient by them; class weight, divisor and scale follow. [`lader`] adds a term by the raw logits. Every coefficient
//! is one number for each sample and head, and a part that is neutral for all heads costs nothing.

mod divisor;
mod influence_balanced;
mod lader;
mod samples;
mod seesaw;
mod sigmoid_bce;
mod softmax;
mod softmax_bce;
mod targets;
mod terms;

pub(super) use divisor::Divisor;
pub(super) use samples::Samples;

use super::error::TrainError;
use divisor::DivisorRows;
use experiment::{
    methods::Reduction,
    spec::{
        Family, Loss,
        loss::{MARGIN, NOISE, OFFSET, SCALE, WEIGHT},
    },
};
use influence_balanced::InfluenceBalanced;
use lader::LaderRows;
use seesaw::Seesaw;
use sigmoid_bce::SigmoidBce;
use softmax::Softmax;
use softmax_bce::SoftmaxBce;
use std::fmt;
use targets::{TargetRows, Targets};
use tch::{Device, Tensor};
use terms::{Stack, select};

/// A family of losses with the coefficients of H heads that it alone reads.
trait Kernel: fmt::Debug {
    /// The gradient by adjusted logits, `[B, H, C]`.
    fn gradient(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError>;

    /// The loss of each sample and head, `[B, H, 1]`.
    #[cfg(test)]
    fn value(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, TrainError>;
}

/// The kernel of a family.
fn kernel(family: Family, stack: &Stack<'_>) -> Result<Box<dyn Kernel>, TrainError> {
    Ok(match family {
        Family::Softmax => Box::new(Softmax::new(stack)?),
        Family::SigmoidBce => Box::new(SigmoidBce::new(stack)?),
        Family::SoftmaxBce => Box::new(SoftmaxBce),
        Family::Seesaw => Box::new(Seesaw::new(stack)?),
        Family::InfluenceBalanced => Box::new(InfluenceBalanced::new(stack)?),
    })
}

/// The losses of H heads as rows of coefficients.
#[derive(Debug)]
pub(super) struct LossRows {
    heads: i64,
    classes: i64,
    /// `[1, H, C]`.
    scale: Option<Tensor>,
    /// `[1, H, C]`.
    offset: Option<Tensor>,
    /// `[1, H, C]`.
    noise: Option<Tensor>,
    /// `[C, H]`, by label.
    margin: Option<Tensor>,
    /// `[C, H]`, by label.
    weight: Option<Tensor>,
    targets: TargetRows,
    /// The family of all heads.
    family: Family,
    kernel: Box<dyn Kernel>,
    lader: Option<LaderRows>,
    divisors: DivisorRows,
}

impl LossRows {
    /// Collects the losses of a group, which are of one family.
    pub(super) fn new(losses: &[(&Loss, Reduction)], device: Device) -> Result<Self, TrainError> {
        let stack = Stack::new(losses, device);
        let family = losses.first().map(|(loss, _)| loss.family).unwrap_or_default();
        let weight = stack.term(&WEIGHT)?;
        Ok(Self {
            heads: stack.heads,
            classes: stack.classes,
            scale: stack.term(&SCALE)?,
            offset: stack.term(&OFFSET)?,
            noise: stack.term(&NOISE)?,
            margin: stack.term(&MARGIN)?,
            family,
            targets: TargetRows::new(&stack)?,
            kernel: kernel(family, &stack)?,
            lader: LaderRows::new(&stack)?,
            divisors: DivisorRows::new(&stack, weight.is_some())?,
            weight,
        })
    }

    /// Whether they read the lengths of the features.
    pub(super) fn reads_lengths(&self) -> bool {
        self.family == Family::InfluenceBalanced
    }

    /// Whether they read noise.
    pub(super) fn reads_noise(&self) -> bool {
        self.noise.is_some()
    }

    /// What the losses of a batch with these labels `[B]` are divided by.
    pub(super) fn divisor(&self, labels: &Tensor) -> Result<Divisor, TrainError> {
        self.divisors.of(labels, self.weight.as_ref())
    }

    /// Gradient of each head's loss by its raw logits, times the shared divisor where there is one: `[B, H·C]`.
    ///
    /// `logits` `[B, H·C]` are overwritten.
    pub(super) fn gradient(
        &self,
        logits: &Tensor,
        samples: &Samples,
        divisor: &Divisor,
    ) -> Result<Tensor, TrainError> {
        let labels = &samples.labels;
        let logits = logits.f_view([-1, self.heads, self.classes])?;
        // By the raw logits, so before they are overwritten.
        let lader = self.lader.as_ref().map(|rows| rows.gradient(&logits, labels)).transpose()?;
        let targets = self.targets.of(samples)?;
        self.adjust(&logits, samples, &targets)?;
        let mut gradient = self.kernel.gradient(&logits, &targets)?;
        let mut row_weight = self.weight.as_ref().map(|rows| select(rows, labels)).transpose()?;
        if let Divisor::PerHead(divisor) = divisor {
            let factor = divisor.f_reciprocal()?.f_unsqueeze(2)?;
            row_weight = Some(match row_weight {
                None => factor,
                Some(weight) => weight.f_mul(&factor)?,
            });
        }
        for factor in row_weight.iter().chain(&self.scale) {
            let _ = gradient.f_mul_(factor)?;
        }
        if let Some(lader) = lader {
            let _ = gradient.f_add_(&lader.f_mul_scalar(divisor.shared())?)?;
        }
        Ok(gradient.f_view([-1, self.heads * self.classes])?)
    }

    /// Each head's loss, `[H]`.
    #[cfg(test)]
    pub(super) fn value(&self, logits: &Tensor, samples: &Samples) -> Result<Tensor, TrainError> {
        use tch::Kind;
        let labels = &samples.labels;
        let divisor = match self.divisor(labels)? {
            Divisor::Shared(divisor) => {
                Tensor::f_full([1, self.heads], divisor, (Kind::Float, labels.device()))?
            }
            Divisor::PerHead(divisor) => divisor,
        };
        let logits = logits.f_view([-1, self.heads, self.classes])?;
        let lader = self.lader.as_ref().map(|rows| rows.value(&logits, labels)).transpose()?;
        let targets = self.targets.of(samples)?;
        self.adjust(&logits, samples, &targets)?;
        let mut loss = self.kernel.value(&logits, &targets)?;
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

    /// Turns raw logits `[B, H, C]` into adjusted ones, in place.
    fn adjust(&self, logits: &Tensor, samples: &Samples, targets: &Targets) -> Result<(), TrainError> {
        let mut logits = logits.shallow_clone();
        if let Some(scale) = &self.scale {
            let _ = logits.f_mul_(scale)?;
        }
        if let Some(offset) = &self.offset {
            let _ = logits.f_add_(offset)?;
        }
        if let Some(factors) = &self.noise {
            let noise = samples.noise.as_ref().ok_or_else(samples::missing)?;
            let _ = logits.f_addcmul_(factors, &noise.f_neg()?)?;
        }
        if let Some(margin) = &self.margin {
            let _ = logits.f_scatter_add_(2, &targets.index, &select(margin, &samples.labels)?.f_neg()?)?;
        }
        Ok(())
    }
}
