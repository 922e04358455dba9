//! `(1 + σ(c·f + c₀) a_k) z_k + σ(c·f + c₀) d_k` with the logits z of the fixed stage-1 head: DisAlign.

use super::{Change, Classifier, Logits, Parameters, Place, Pull, columns_of, mismatch, rows_of};
use crate::{
    data::Batch,
    error::TrainError,
    head::{Alignment, Head, HeadForm},
};
use experiment::plan::Precision;
use tch::{Device, Kind, Tensor};
use torch::numbers::size;

/// Calibrations of the stage-1 logits side by side.
#[derive(Debug)]
pub(super) struct Aligned {
    /// c, `[D, H]`.
    confidence: Tensor,
    /// c₀, `[1, H]`.
    confidence_bias: Tensor,
    /// a, `[1, H·C]`.
    scale: Tensor,
    /// d, `[1, H·C]`.
    offset: Tensor,
}

impl Aligned {
    /// Where the released code starts: c = 0.1, c₀ = 0, a = 1, d = 0.
    pub(super) fn start(
        dim: usize,
        heads: usize,
        classes: usize,
        device: Device,
    ) -> Result<Self, TrainError> {
        let full = |rows: usize, columns: usize, value: f64| {
            Tensor::f_full([size(rows), size(columns)], value, (Kind::Float, device))
        };
        Ok(Self {
            confidence: full(dim, heads, 0.1)?,
            confidence_bias: full(1, heads, 0.0)?,
            scale: full(1, heads * classes, 1.0)?,
            offset: full(1, heads * classes, 0.0)?,
        })
    }

    /// σ, `[B, H, 1]`.
    fn sigma(&self, batch: &Batch<'_>) -> Result<Tensor, TrainError> {
        let scores = self.confidence_bias.f_addmm(batch.features()?, &self.confidence)?;
        Ok(scores.f_sigmoid()?.f_unsqueeze(2)?)
    }

    /// `Z₀ a + d`, `[B, H, C]`, for base logits `[B, 1, C]`.
    fn moved(&self, base: &Tensor) -> Result<Tensor, TrainError> {
        let shape = [1, columns_of(&self.confidence_bias), -1];
        Ok(base.f_mul(&self.scale.f_view(shape)?)?.f_add(&self.offset.f_view(shape)?)?)
    }
}

impl Logits for Aligned {
    fn logits(&self, batch: &Batch<'_>, _precision: Precision) -> Result<Tensor, TrainError> {
        let base = batch.base_logits()?.f_unsqueeze(1)?;
        let moved = self.moved(&base)?.f_mul(&self.sigma(batch)?)?;
        Ok(moved.f_add(&base)?.f_view([-1, columns_of(&self.scale)])?)
    }
}

impl Classifier for Aligned {
    fn trained(&self) -> Vec<(&Tensor, bool)> {
        vec![
            (&self.confidence, false),
            (&self.confidence_bias, true),
            (&self.scale, false),
            (&self.offset, true),
        ]
    }

    fn add_gradients(&self, momenta: &mut [Tensor], pull: &Pull<'_>) -> Result<(), TrainError> {
        let Pull { batch, gradient, factor, .. } = pull;
        let [by_confidence, by_confidence_bias, by_scale, by_offset] = momenta else {
            return Err(mismatch());
        };
        let (sigma, base) = (self.sigma(batch)?, batch.base_logits()?.f_unsqueeze(1)?);
        let features = batch.features()?;
        let gradient = gradient.f_view([rows_of(features), columns_of(&self.confidence_bias), -1])?;
        let sum = |tensor: &Tensor, dim: i64| tensor.f_sum_dim_intlist([dim].as_slice(), false, Kind::Float);
        let weighted = gradient.f_mul(&sigma)?.f_mul_scalar(*factor)?;
        let _ = by_offset.f_add_(&sum(&weighted, 0)?.f_view([1, -1])?)?;
        let _ = by_scale.f_add_(&sum(&weighted.f_mul(&base)?, 0)?.f_view([1, -1])?)?;
        // [B, H]
        let by_u = sum(&self.moved(&base)?.f_mul(&weighted)?, 2)?;
        let by_u = by_u.f_mul(&sigma.f_neg()?.f_add_scalar(1.0)?.f_squeeze_dim(2)?)?;
        let _ = by_confidence.f_addmm_(&features.f_tr()?, &by_u)?;
        let _ = by_confidence_bias.f_add_(&sum(&by_u, 0)?.f_view([1, -1])?)?;
        Ok(())
    }

    fn map(&self, change: Change<'_>) -> Result<Box<Parameters>, TrainError> {
        Ok(Box::new(Self {
            confidence: change(&self.confidence)?,
            confidence_bias: change(&self.confidence_bias)?,
            scale: change(&self.scale)?,
            offset: change(&self.offset)?,
        }))
    }

    fn head(&self, place: Place, base: Option<&Head>) -> Result<Head, TrainError> {
        let base = base.ok_or(TrainError::MissingHead)?.clone();
        let alignment = Alignment {
            confidence: place.numbers(&self.confidence)?,
            confidence_bias: place.numbers(&self.confidence_bias)?.first().copied().unwrap_or(0.0),
            scale: place.numbers(&self.scale)?,
            offset: place.numbers(&self.offset)?,
            unit_features: base.reads_unit_features(),
        };
        Ok(Head { form: HeadForm::Aligned(alignment), ..base })
    }
}
