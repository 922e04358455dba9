//! What the samples of a batch should be.

use super::{
    Samples,
    terms::{Stack, select},
};
use crate::error::TrainError;
use experiment::spec::loss::{SMOOTHING, TARGET};
use tch::Tensor;

/// The targets of the classes for H heads.
#[derive(Debug)]
pub(super) struct TargetRows {
    heads: i64,
    /// 1 − δ, `[C, H]`, by label.
    target: Tensor,
    /// δ / C, `[C, H]`, by label.
    spread: Option<Tensor>,
}

/// The targets of a batch: `t = target 1_y + spread`.
#[derive(Debug)]
pub(super) struct Targets {
    /// y as an index into the last axis, `[B, H, 1]`.
    pub(super) index: Tensor,
    /// 1 − δ, `[B, H, 1]`.
    pub(super) target: Tensor,
    /// δ / C, `[B, H, 1]`.
    pub(super) spread: Option<Tensor>,
    /// |f|₁ of the sample, `[B, 1, 1]`, for the family that reads it.
    pub(super) lengths: Option<Tensor>,
}

impl TargetRows {
    pub(super) fn new(stack: &Stack<'_>) -> Result<Self, TrainError> {
        Ok(Self { heads: stack.heads, target: stack.all(&TARGET)?, spread: stack.term(&SMOOTHING)? })
    }

    /// Those of a batch.
    pub(super) fn of(&self, samples: &Samples) -> Result<Targets, TrainError> {
        let labels = &samples.labels;
        Ok(Targets {
            index: labels.f_view([-1, 1, 1])?.f_expand([-1, self.heads, 1], false)?,
            target: select(&self.target, labels)?,
            spread: self.spread.as_ref().map(|rows| select(rows, labels)).transpose()?,
            lengths: samples.lengths.as_ref().map(Tensor::shallow_clone),
        })
    }
}

impl Targets {
    /// p − t, `[B, H, C]`, in place.
    pub(super) fn taken_off(&self, mut p: Tensor) -> Result<Tensor, TrainError> {
        if let Some(spread) = &self.spread {
            let _ = p.f_sub_(spread)?;
        }
        let _ = p.f_scatter_add_(2, &self.index, &self.target.f_neg()?)?;
        Ok(p)
    }

    /// t, `[B, H, C]`.
    pub(super) fn dense(&self, like: &Tensor) -> Result<Tensor, TrainError> {
        Ok(self.taken_off(like.f_zeros_like()?)?.f_neg()?)
    }

    /// `−Σ_k t_k present_k + (1 − t_k) absent_k` of each sample and head, `[B, H, 1]`.
    #[cfg(test)]
    pub(super) fn binary_cross_entropy(
        &self,
        present: &Tensor,
        absent: &Tensor,
    ) -> Result<Tensor, TrainError> {
        let terms = self.dense(present)?.f_mul(&present.f_sub(absent)?)?.f_add(absent)?;
        Ok(terms.f_sum_dim_intlist([2_i64].as_slice(), true, tch::Kind::Float)?.f_neg()?)
    }
}
