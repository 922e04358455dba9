//! `w_k·f + b_k`.

use super::{Change, Classifier, Logits, Parameters, Place, Pull, columns, mismatch, rows_of};
use crate::{
    data::{Batch, Data},
    error::TrainError,
    head::{Head, HeadForm},
    product,
};
use experiment::plan::Precision;
use tch::{Device, Kind, Tensor};
use torch::numbers::{from_f32, size};

/// Linear heads side by side.
#[derive(Debug)]
pub(crate) struct Linear {
    /// `[D, H·C]`.
    weight: Tensor,
    /// `[1, H·C]`.
    bias: Tensor,
}

impl Linear {
    pub(crate) fn new(heads: &[Head], device: Device) -> Result<Self, TrainError> {
        let bias: Vec<f32> = heads.iter().flat_map(|head| head.bias.iter().copied()).collect();
        Ok(Self { weight: columns(heads, device)?, bias: from_f32(&bias, &[1, size(bias.len())], device)? })
    }

    /// Logits of rows `[B, D]`.
    pub(super) fn of_rows(&self, rows: &Tensor, precision: Precision) -> Result<Tensor, TrainError> {
        product::forward(rows, &self.weight, Some(&self.bias), precision)
    }
}

impl Logits for Linear {
    fn logits(&self, batch: &Batch<'_>, precision: Precision) -> Result<Tensor, TrainError> {
        self.of_rows(batch.features()?, precision)
    }

    fn is_linear(&self, _data: &Data<'_>) -> bool {
        true
    }
}

impl Classifier for Linear {
    fn trained(&self) -> Vec<(&Tensor, bool)> {
        vec![(&self.weight, false), (&self.bias, true)]
    }

    fn weight(&self) -> Option<&Tensor> {
        Some(&self.weight)
    }

    fn add_gradients(&self, momenta: &mut [Tensor], pull: &Pull<'_>) -> Result<(), TrainError> {
        let Pull { batch, gradient, factor, precision, .. } = pull;
        let [by_weight, by_bias] = momenta else { return Err(mismatch()) };
        product::accumulate(by_weight, batch.features()?, gradient, *factor, *precision)?;
        let ones = Tensor::f_full([1, rows_of(gradient)], *factor, (Kind::Float, gradient.device()))?;
        let _ = by_bias.f_addmm_(&ones, gradient)?;
        Ok(())
    }

    fn map(&self, change: Change<'_>) -> Result<Box<Parameters>, TrainError> {
        Ok(Box::new(Self { weight: change(&self.weight)?, bias: change(&self.bias)? }))
    }

    fn head(&self, place: Place, _base: Option<&Head>) -> Result<Head, TrainError> {
        Ok(Head::of_rows(place.numbers(&self.weight)?, place.numbers(&self.bias)?, HeadForm::Linear))
    }
}
