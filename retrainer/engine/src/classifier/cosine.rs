//! `s · cos(w_k, f)`, no bias.
//!
//! The normalisation of the weights costs no pass over them in the forward product: it is a factor of each column of the
//! logits.

use super::{Change, Classifier, Logits, Parameters, Place, Pull, columns, lengths, mismatch};
use crate::{
    data::Batch,
    error::TrainError,
    head::{Head, HeadForm, Start},
    product,
};
use experiment::{plan::Precision, spec::Recipe};
use tch::{Device, Kind, Tensor};
use torch::numbers::{from_f64, size};

/// Cosine classifiers side by side.
#[derive(Debug)]
pub(super) struct Cosine {
    /// `[D, H·C]`.
    weight: Tensor,
    /// s, `[1, H·C]`, which is no parameter.
    scale: Tensor,
}

impl Cosine {
    /// At the directions of heads, with the scales of their recipes.
    pub(super) fn start(heads: Vec<Head>, recipes: &[&Recipe], device: Device) -> Result<Self, TrainError> {
        let classes = heads.first().map_or(0, |head| head.classes);
        let heads: Vec<Head> = heads.into_iter().map(Head::directions).collect();
        let scales = recipes.iter().flat_map(|recipe| vec![recipe.cosine_scale; classes]);
        let scales: Vec<f64> = scales.collect();
        Ok(Self {
            weight: columns(&heads, device)?,
            scale: from_f64(&scales, &[1, size(scales.len())], device)?,
        })
    }
}

impl Logits for Cosine {
    fn logits(&self, batch: &Batch<'_>, precision: Precision) -> Result<Tensor, TrainError> {
        let mut logits = product::forward(batch.unit_features()?, &self.weight, None, precision)?;
        Ok(logits.f_mul_(&self.scale.f_div(&lengths(&self.weight)?)?)?)
    }
}

impl Classifier for Cosine {
    fn trained(&self) -> Vec<(&Tensor, bool)> {
        vec![(&self.weight, false)]
    }

    fn weight(&self) -> Option<&Tensor> {
        Some(&self.weight)
    }

    fn add_gradients(&self, momenta: &mut [Tensor], pull: &Pull<'_>) -> Result<(), TrainError> {
        let Pull { batch, logits, gradient, factor, precision } = pull;
        let ([by_weight], Some(logits)) = (momenta, logits) else { return Err(mismatch()) };
        let lengths = lengths(&self.weight)?;
        let radial = logits.f_mul(gradient)?.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?;
        let columns = gradient.f_mul(&self.scale.f_div(&lengths)?)?;
        product::accumulate(by_weight, batch.unit_features()?, &columns, *factor, *precision)?;
        let radial = radial.f_div(&lengths.f_square()?)?.f_mul_scalar(-*factor)?;
        let _ = by_weight.f_addcmul_(&self.weight, &radial)?;
        Ok(())
    }

    fn keeps_logits(&self) -> bool {
        true
    }

    fn map(&self, change: Change<'_>) -> Result<Box<Parameters>, TrainError> {
        Ok(Box::new(Self { weight: change(&self.weight)?, scale: change(&self.scale)? }))
    }

    fn head(&self, place: Place, _base: Option<&Head>) -> Result<Head, TrainError> {
        let rows = self.weight.f_mul(&self.scale.f_div(&lengths(&self.weight)?)?)?;
        let bias = vec![0.0; self.scale.numel() / place.heads.max(1)];
        Ok(Head::of_rows(place.numbers(&rows)?, bias, HeadForm::UnitFeatures { centre: Vec::new() }))
    }
}
