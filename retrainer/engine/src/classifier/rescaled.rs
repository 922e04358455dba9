//! `s_k · z_k` with the logits z of the fixed stage-1 head: LWS.

use super::{Change, Classifier, Logits, Parameters, Place, Pull, columns_of, mismatch, rows_of};
use crate::{
    data::{Batch, Data},
    error::TrainError,
    head::Head,
};
use experiment::plan::Precision;
use tch::{Device, Kind, Tensor};
use torch::numbers::size;

/// Scales of the stage-1 logits side by side.
#[derive(Debug)]
pub(super) struct Rescaled {
    /// s, `[1, H·C]`.
    scale: Tensor,
}

impl Rescaled {
    /// At the stage-1 head itself.
    pub(super) fn start(columns: usize, device: Device) -> Result<Self, TrainError> {
        Ok(Self { scale: Tensor::f_ones([1, size(columns)], (Kind::Float, device))? })
    }
}

impl Logits for Rescaled {
    fn logits(&self, batch: &Batch<'_>, _precision: Precision) -> Result<Tensor, TrainError> {
        let base = batch.kept_base_logits()?;
        let heads = columns_of(&self.scale) / columns_of(base).max(1);
        Ok(base.f_repeat([1, heads])?.f_mul(&self.scale)?)
    }

    fn is_linear(&self, data: &Data<'_>) -> bool {
        !data.cosine_base()
    }
}

impl Classifier for Rescaled {
    fn trained(&self) -> Vec<(&Tensor, bool)> {
        vec![(&self.scale, false)]
    }

    fn add_gradients(&self, momenta: &mut [Tensor], pull: &Pull<'_>) -> Result<(), TrainError> {
        let Pull { batch, gradient, factor, .. } = pull;
        let [by_scale] = momenta else { return Err(mismatch()) };
        let base = batch.kept_base_logits()?;
        let product = gradient.f_view([rows_of(base), -1, columns_of(base)])?.f_mul(&base.f_unsqueeze(1)?)?;
        let sum = product.f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Float)?;
        let _ = by_scale.f_add_(&sum.f_view([1, -1])?.f_mul_scalar(*factor)?)?;
        Ok(())
    }

    fn map(&self, change: Change<'_>) -> Result<Box<Parameters>, TrainError> {
        Ok(Box::new(Self { scale: change(&self.scale)? }))
    }

    fn head(&self, place: Place, base: Option<&Head>) -> Result<Head, TrainError> {
        let mut head = base.ok_or(TrainError::MissingHead)?.clone();
        let rows = head.weight.chunks_exact_mut(head.dim.max(1));
        for ((row, bias), scale) in rows.zip(&mut head.bias).zip(place.numbers(&self.scale)?) {
            for weight in row {
                *weight *= scale;
            }
            *bias *= scale;
        }
        Ok(head)
    }
}
