//! `a_k z_k + c_k |w_k|` with the logits z and the weight vectors w of the fixed stage-1 head: MARC.

use super::{Change, Classifier, Logits, Parameters, Place, Pull, columns_of, mismatch, rows_of};
use crate::{
    data::{Batch, Data},
    error::TrainError,
    head::{Head, narrow},
};
use experiment::plan::Precision;
use tch::{Device, Kind, Tensor};
use torch::numbers::{from_f64, size};

/// Scales and margins of the stage-1 logits side by side.
#[derive(Debug)]
pub(super) struct MarginCalibrated {
    /// a, `[1, H·C]`.
    scale: Tensor,
    /// c, `[1, H·C]`.
    margin: Tensor,
    /// |w|, `[1, H·C]`, which is no parameter.
    lengths: Tensor,
}

impl MarginCalibrated {
    /// At the stage-1 head itself: a = 1, c = 0.
    pub(super) fn start(base: &Head, heads: usize, device: Device) -> Result<Self, TrainError> {
        let lengths = base.norms().repeat(heads);
        let shape = [1, size(lengths.len())];
        Ok(Self {
            scale: Tensor::f_ones(shape, (Kind::Float, device))?,
            margin: Tensor::f_zeros(shape, (Kind::Float, device))?,
            lengths: from_f64(&lengths, &shape, device)?,
        })
    }
}

impl Logits for MarginCalibrated {
    fn logits(&self, batch: &Batch<'_>, _precision: Precision) -> Result<Tensor, TrainError> {
        let base = batch.kept_base_logits()?;
        let heads = columns_of(&self.scale) / columns_of(base).max(1);
        let margins = self.margin.f_mul(&self.lengths)?;
        Ok(base.f_repeat([1, heads])?.f_mul(&self.scale)?.f_add(&margins)?)
    }

    fn is_linear(&self, data: &Data<'_>) -> bool {
        !data.cosine_base()
    }
}

impl Classifier for MarginCalibrated {
    fn trained(&self) -> Vec<(&Tensor, bool)> {
        vec![(&self.scale, false), (&self.margin, true)]
    }

    fn add_gradients(&self, momenta: &mut [Tensor], pull: &Pull<'_>) -> Result<(), TrainError> {
        let Pull { batch, gradient, factor, .. } = pull;
        let [by_scale, by_margin] = momenta else { return Err(mismatch()) };
        let base = batch.kept_base_logits()?;
        let sum = |tensor: &Tensor| tensor.f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Float);
        let product = gradient.f_view([rows_of(base), -1, columns_of(base)])?.f_mul(&base.f_unsqueeze(1)?)?;
        let _ = by_scale.f_add_(&sum(&product)?.f_view([1, -1])?.f_mul_scalar(*factor)?)?;
        let all = sum(gradient)?.f_view([1, -1])?;
        let _ = by_margin.f_add_(&all.f_mul(&self.lengths)?.f_mul_scalar(*factor)?)?;
        Ok(())
    }

    fn map(&self, change: Change<'_>) -> Result<Box<Parameters>, TrainError> {
        Ok(Box::new(Self {
            scale: change(&self.scale)?,
            margin: change(&self.margin)?,
            lengths: change(&self.lengths)?,
        }))
    }

    fn head(&self, place: Place, base: Option<&Head>) -> Result<Head, TrainError> {
        let mut head = base.ok_or(TrainError::MissingHead)?.clone();
        let lengths = head.norms();
        let trained = place.numbers(&self.scale)?.into_iter().zip(place.numbers(&self.margin)?);
        let rows = head.weight.chunks_exact_mut(head.dim.max(1)).zip(&mut head.bias);
        for ((row, bias), ((scale, margin), length)) in rows.zip(trained.zip(lengths)) {
            for weight in row {
                *weight *= scale;
            }
            *bias = narrow(f64::from(*bias) * f64::from(scale) + f64::from(margin) * length);
        }
        Ok(head)
    }
}
