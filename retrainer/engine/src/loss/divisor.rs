//! What the losses of a batch are divided by.

use super::terms::Stack;
use crate::error::TrainError;
use experiment::methods::Reduction;
use tch::{Kind, Tensor};
use torch::numbers::from_f64;

/// What the losses of a batch are divided by.
#[derive(Debug)]
pub(crate) enum Divisor {
    /// The same number for all heads.
    Shared(f64),
    /// A number for each head, `[1, H]`.
    PerHead(Tensor),
}

impl Divisor {
    /// The number that gradients still have to be divided by.
    pub(crate) fn shared(&self) -> f64 {
        match self {
            Self::Shared(divisor) => *divisor,
            Self::PerHead(_) => 1.0,
        }
    }
}

/// The divisors of H heads: `by_weight · Σ weight + by_sample · B`.
#[derive(Debug)]
pub(super) struct DivisorRows {
    /// Whether all heads' losses are divided by the batch size.
    batch_means: bool,
    /// `[1, H]`.
    by_weight: Tensor,
    /// `[1, H]`.
    by_sample: Tensor,
}

impl DivisorRows {
    /// `weighted`: whether any head weights its samples.
    pub(super) fn new(stack: &Stack<'_>, weighted: bool) -> Result<Self, TrainError> {
        let divisor = |(_, reduction): &(_, Reduction)| match reduction {
            Reduction::WeightedMean if weighted => (1.0, 0.0),
            Reduction::WeightedMean | Reduction::BatchMean => (0.0, 1.0),
            Reduction::ElementMean => (0.0, stack.classes as f64),
        };
        let divisors: Vec<(f64, f64)> = stack.losses.iter().map(divisor).collect();
        let (by_weight, by_sample): (Vec<f64>, Vec<f64>) = divisors.iter().copied().unzip();
        Ok(Self {
            batch_means: divisors.iter().all(|&divisor| divisor == (0.0, 1.0)),
            by_weight: from_f64(&by_weight, &[1, stack.heads], stack.device)?,
            by_sample: from_f64(&by_sample, &[1, stack.heads], stack.device)?,
        })
    }

    /// That of a batch with labels `[B]`, whose samples weigh `weight` `[C, H]`.
    pub(super) fn of(&self, labels: &Tensor, weight: Option<&Tensor>) -> Result<Divisor, TrainError> {
        let batch = labels.size().first().copied().unwrap_or(0) as f64;
        if self.batch_means {
            return Ok(Divisor::Shared(batch));
        }
        let samples = self.by_sample.f_mul_scalar(batch)?;
        let Some(weight) = weight else { return Ok(Divisor::PerHead(samples)) };
        let weights = weight.f_index_select(0, labels)?;
        let weights = weights.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?;
        Ok(Divisor::PerHead(samples.f_addcmul(&weights, &self.by_weight)?))
    }
}
