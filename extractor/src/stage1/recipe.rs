//! Everything that decides the weights of a stage-1 run, beside its samples.

use super::{
    loss::{LossKind, LossSettings},
    schedule::Schedule,
};
use crate::{
    ExtractError,
    backbones::BackboneKind,
    config::Precision,
    transform::Transform,
    weights::{Initialisation, Layout},
};
use serde::{Deserialize, Serialize};

/// The settings of a stage-1 run; stored in its checkpoint, and compared when it is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// A name of [`crate::backbones::all`].
    pub backbone: String,
    /// Multiplies the channels of every layer.
    pub width: f64,
    /// How convolutions start; left out where it is the one that there was before recipes could choose.
    #[serde(default, skip_serializing_if = "Initialisation::is_architecture")]
    pub init: Initialisation,
    /// A name of [`super::LOSSES`].
    pub loss: String,
    /// The numbers in the loss's definition.
    #[serde(default)]
    pub loss_settings: LossSettings,
    /// Passes over the training set.
    pub epochs: u32,
    /// Images of a step; the last one of an epoch may have fewer.
    pub batch_size: usize,
    /// Parts in which a step is computed, for less memory; batch normalisation sees one part at a time.
    #[serde(default = "whole_batch")]
    pub accumulate: usize,
    /// Learning rate before the schedule lowers it.
    pub lr: f64,
    /// How it falls.
    #[serde(default)]
    pub schedule: Schedule,
    /// Epochs at the start in which it rises linearly.
    #[serde(default)]
    pub warm_up: u32,
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

/// A step in one part.
fn whole_batch() -> usize {
    1
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
        if self.accumulate == 0 || self.accumulate > self.batch_size / 2 {
            let most = format!("1 to {}, for parts of two images at least", self.batch_size / 2);
            return wrong("--accumulate", &most, self.accumulate.to_string());
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
        if self.warm_up >= self.epochs {
            let expected = format!("fewer epochs than the {} of --epochs", self.epochs);
            return wrong("--warm-up", &expected, self.warm_up.to_string());
        }
        if let Schedule::Step { milestones, factor } = &self.schedule {
            if let Some(milestone) = milestones.iter().find(|milestone| !(0.0..=1.0).contains(*milestone)) {
                return wrong("--milestones", "fractions of the epochs, 0 to 1", milestone.to_string());
            }
            if !(factor.is_finite() && *factor > 0.0) {
                return wrong("--factor", "a positive number", factor.to_string());
            }
        }
        let LossSettings { drw_start, drw_beta, max_margin, scale } = self.loss_settings;
        if !(0.0..=1.0).contains(&drw_start) {
            return wrong("--drw-start", "a fraction of the epochs, 0 to 1", drw_start.to_string());
        }
        if !(0.0..1.0).contains(&drw_beta) {
            return wrong("--drw-beta", "at least 0 and below 1", drw_beta.to_string());
        }
        if !(max_margin.is_finite() && max_margin >= 0.0) {
            return wrong("--max-margin", "a number that is not negative", max_margin.to_string());
        }
        if !(scale.is_finite() && scale > 0.0) {
            return wrong("--scale", "a positive number", scale.to_string());
        }
        Ok(())
    }
}
