//! Heads without training, which are measured only: linear ones of other features, or less a number that classes share.

use super::{Linear, Logits};
use crate::{
    data::Batch,
    error::TrainError,
    head::{Head, HeadForm},
    normalised::unit_rows,
};
use experiment::plan::Precision;
use tch::{Device, Kind, Tensor};
use torch::numbers::{from_f32, size};

/// `W u + b`, u the direction of the feature from a centre.
#[derive(Debug)]
struct Directions {
    linear: Linear,
    /// `[1, D]`; none for the origin.
    centre: Option<Tensor>,
}

impl Logits for Directions {
    fn logits(&self, batch: &Batch<'_>, precision: Precision) -> Result<Tensor, TrainError> {
        match &self.centre {
            None => self.linear.of_rows(batch.unit_features()?, precision),
            Some(centre) => self.linear.of_rows(&unit_rows(&batch.features()?.f_sub(centre)?)?, precision),
        }
    }
}

/// `W f + b − |f|²/2`.
#[derive(Debug)]
struct Distances(Linear);

impl Logits for Distances {
    fn logits(&self, batch: &Batch<'_>, precision: Precision) -> Result<Tensor, TrainError> {
        let squares = batch.features()?.f_square()?;
        let squares = squares.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
        let mut logits = self.0.logits(batch, precision)?;
        Ok(logits.f_sub_(&squares.f_mul_scalar(0.5)?)?)
    }
}

/// Heads of one form side by side.
///
/// # Errors
/// [`TrainError::Worker`] for an aligned form, which training alone makes, and one that is for raw features again.
pub(crate) fn of_form(
    form: &HeadForm,
    heads: &[Head],
    device: Device,
) -> Result<Box<dyn Logits>, TrainError> {
    let linear = Linear::new(heads, device)?;
    Ok(match form {
        HeadForm::Linear => Box::new(linear),
        HeadForm::Distance => Box::new(Distances(linear)),
        HeadForm::UnitFeatures { centre } => {
            let centre = Some(centre).filter(|centre| !centre.is_empty());
            let centre = centre.map(|centre| from_f32(centre, &[1, size(centre.len())], device));
            Box::new(Directions { linear, centre: centre.transpose()? })
        }
        HeadForm::Aligned(_) | HeadForm::Normalised { .. } => {
            return Err(TrainError::Worker("a head of another form without training".to_owned()));
        }
    })
}
