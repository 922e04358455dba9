//! LADE's regulariser, the one loss that is no sum over samples.
//!
//! For each class k of a batch of B samples, B_k of them of the class,
//!
//! ```text
//! A_k = mean of z_k over samples of class k (0 without any)
//! N_k = log mean over the batch of exp(z_k − log π_k − log C)
//! R   = −Σ_k π_k (A_k − N_k − λ N_k²)
//! ∂R/∂z_bk = π_k [ (1 + 2 λ N_k) softmax_b(z_k)_b − 1{y_b = k} / B_k ]
//! ```
//!
//! and a head's loss gains α R, whatever its reduction. Columns of heads never meet: the sums run over samples.
//!
//! # Source
//! Hong et al. 2021 (CVPR), Eq. 8–11, with the regularised bound of their code.

use super::terms::Stack;
use crate::error::TrainError;
use experiment::spec::loss::{LADER_LAMBDA, LADER_OFFSET, LADER_WEIGHT};
use tch::{Kind, Tensor};

/// The regularisers of H heads.
#[derive(Debug)]
pub(super) struct LaderRows {
    /// α π, `[1, H, C]`; 0 for heads without the regulariser.
    weight: Tensor,
    /// λ, `[1, H, 1]`.
    lambda: Tensor,
    /// −log π − log C, `[1, H, C]`.
    offset: Tensor,
    classes: i64,
}

impl LaderRows {
    /// Collects the regularisers, if any head has one.
    pub(super) fn new(stack: &Stack<'_>) -> Result<Option<Self>, TrainError> {
        let Some(weight) = stack.term(&LADER_WEIGHT)? else { return Ok(None) };
        let (lambda, offset) = (stack.all(&LADER_LAMBDA)?, stack.all(&LADER_OFFSET)?);
        Ok(Some(Self { weight, lambda, offset, classes: stack.classes }))
    }

    /// `1{y_b = k}`, `[B, 1, C]`, and B_k, `[1, 1, C]`, at least 1.
    fn members(&self, labels: &Tensor) -> Result<(Tensor, Tensor), TrainError> {
        let members = labels.f_one_hot(self.classes)?.f_to_kind(Kind::Float)?.f_unsqueeze(1)?;
        let counts = members.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?.f_clamp_min(1.0)?;
        Ok((members, counts))
    }

    /// N, `[1, H, C]`.
    fn normaliser(&self, logits: &Tensor) -> Result<Tensor, TrainError> {
        let batch = logits.size().first().copied().unwrap_or(1).max(1) as f64;
        let sums = logits.f_add(&self.offset)?.f_logsumexp([0_i64].as_slice(), true)?;
        Ok(sums.f_sub_scalar(batch.ln())?)
    }

    /// α ∂R/∂z at raw logits `[B, H, C]`.
    pub(super) fn gradient(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
        let (members, counts) = self.members(labels)?;
        let slope = self.normaliser(logits)?.f_mul(&self.lambda)?.f_mul_scalar(2.0)?.f_add_scalar(1.0)?;
        let share = logits.f_softmax(0, Kind::Float)?.f_mul(&slope)?;
        Ok(share.f_sub(&members.f_div(&counts)?)?.f_mul(&self.weight)?)
    }

    /// α R of each head, `[H]`.
    #[cfg(test)]
    pub(super) fn value(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
        let (members, counts) = self.members(labels)?;
        let sums = logits.f_mul(&members)?.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?;
        let means = sums.f_div(&counts)?;
        let normaliser = self.normaliser(logits)?;
        let square = normaliser.f_square()?.f_mul(&self.lambda)?;
        let terms = means.f_sub(&normaliser)?.f_sub(&square)?.f_mul(&self.weight)?;
        Ok(terms.f_sum_dim_intlist([2_i64].as_slice(), false, Kind::Float)?.f_squeeze_dim(0)?.f_neg()?)
    }
}
