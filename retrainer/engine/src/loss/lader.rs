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

use crate::{
    bridge::{from_f64, size},
    error::TrainError,
};
use experiment::{head::Loss, methods::Reduction};
use tch::{Device, Kind, Tensor};

/// The regularisers of H heads.
#[derive(Debug)]
pub(super) struct LaderRows {
    /// α π, `[H, C]`; 0 for heads without the regulariser.
    weight: Tensor,
    /// λ, `[H, 1]`.
    lambda: Tensor,
    /// −log π − log C, `[1, H, C]`.
    offset: Tensor,
    classes: i64,
}

impl LaderRows {
    /// Collects the regularisers, if any head has one.
    pub(super) fn new(
        losses: &[(&Loss, Reduction)],
        classes: usize,
        device: Device,
    ) -> Result<Option<Self>, TrainError> {
        if losses.iter().all(|(loss, _)| loss.lader.is_none()) {
            return Ok(None);
        }
        let (mut weight, mut lambda, mut offset) = (Vec::new(), Vec::new(), Vec::new());
        for (loss, _) in losses {
            lambda.push(loss.lader.as_ref().map_or(0.0, |lader| lader.lambda));
            for class in 0..classes {
                let prior = loss.lader.as_ref().and_then(|lader| lader.prior.get(class)).copied();
                let alpha = loss.lader.as_ref().map_or(0.0, |lader| lader.alpha);
                weight.push(prior.map_or(0.0, |prior| alpha * prior));
                offset.push(prior.map_or(0.0, |prior| -prior.ln() - (classes as f64).ln()));
            }
        }
        let (heads, classes) = (size(losses.len()), size(classes));
        Ok(Some(Self {
            weight: from_f64(&weight, &[heads, classes], device)?,
            lambda: from_f64(&lambda, &[heads, 1], device)?,
            offset: from_f64(&offset, &[1, heads, classes], device)?,
            classes,
        }))
    }

    /// `1{y_b = k}`, `[B, 1, C]`, and B_k, `[1, 1, C]`, at least 1.
    fn members(&self, labels: &Tensor) -> Result<(Tensor, Tensor), TrainError> {
        let members = labels.f_one_hot(self.classes)?.f_to_kind(Kind::Float)?.f_unsqueeze(1)?;
        let counts = members.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?.f_clamp_min(1.0)?;
        Ok((members, counts))
    }

    /// N, `[H, C]`.
    fn normaliser(&self, logits: &Tensor) -> Result<Tensor, TrainError> {
        let batch = logits.size().first().copied().unwrap_or(1).max(1) as f64;
        let sums = logits.f_add(&self.offset)?.f_logsumexp([0_i64].as_slice(), false)?;
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
        let sums = logits.f_mul(&members)?.f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Float)?;
        let means = sums.f_div(&counts.f_view([1, self.classes])?)?;
        let normaliser = self.normaliser(logits)?;
        let square = normaliser.f_square()?.f_mul(&self.lambda)?;
        let terms = means.f_sub(&normaliser)?.f_sub(&square)?.f_mul(&self.weight)?;
        Ok(terms.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)?.f_neg()?)
    }
}
