//! Everything that decides the weights of a stage-1 run, beside its samples.

use super::loss::LossKind;
use crate::{
    ExtractError, backbones::BackboneKind, config::Precision, transform::Transform, weights::Layout,
};
use serde::{Deserialize, Serialize};

/// The settings of a stage-1 run; stored in its checkpoint, and compared when it is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// A name of [`crate::backbones::BACKBONES`].
    pub backbone: String,
    /// Multiplies the channels of every layer.
    pub width: f64,
    /// A name of [`super::LOSSES`].
    pub loss: String,
    /// Passes over the training set.
    pub epochs: u32,
    /// Images of a step; the last one of an epoch may have fewer.
    pub batch_size: usize,
    /// Learning rate of the first epoch; falls by [`super::cosine`].
    pub lr: f64,
    /// Momentum of SGD, without Nesterov.
    pub momentum: f64,
    /// Added to the gradient as `weight_decay · w`, for all weights (batch normalisation and biases too).
    pub weight_decay: f64,
    /// Number format of convolutions and activations.
    pub precision: Precision,
    /// Memory order of convolutions and activations; decides the order of sums.
    pub layout: Layout,
    /// Seed of initial weights, sample order, crops and flips.
    pub seed: u64,
    /// Augmentation and normalisation.
    pub transform: Transform,
}

impl Recipe {
    /// Checks every value.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`] for backbone or loss; [`ExtractError::InvalidSetting`] for a number outside its range.
    pub fn check(&self) -> Result<(), ExtractError> {
        BackboneKind::named(&self.backbone)?;
        LossKind::named(&self.loss)?;
        let wrong = |name, expected: &str, got: String| {
            Err(ExtractError::InvalidSetting {
                name,
                expected: expected.to_owned(),
                got,
                hint: String::new(),
            })
        };
        if self.epochs == 0 {
            return wrong("--epochs", "at least 1", self.epochs.to_string());
        }
        if self.batch_size < 2 {
            return wrong("--batch-size", "at least 2, for batch normalisation", self.batch_size.to_string());
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return wrong("--lr", "a positive number", self.lr.to_string());
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return wrong("--momentum", "at least 0 and below 1", self.momentum.to_string());
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return wrong("--weight-decay", "a number that is not negative", self.weight_decay.to_string());
        }
        Ok(())
    }
}
