//! A recipe as it is typed or lies in a preset: nothing is decided yet.

use crate::weights::Initialisation;
use clap::Args;
use serde::Deserialize;
use std::num::NonZeroUsize;

/// How a backbone is trained; what is not given is the preset's. Preset files hold the same settings.
#[derive(Clone, Debug, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[command(next_help_heading = "Training")]
pub struct RecipeArgs {
    /// Published settings to start from (`extractor presets` lists them); the defaults below are those of `ltwb-cifar100`, but for --init
    #[arg(long, value_name = "NAME")]
    #[serde(skip)]
    pub preset: Option<String>,
    /// Architecture (`extractor backbones` lists them) [default: resnet34]
    #[arg(long, value_name = "NAME")]
    pub backbone: Option<String>,
    /// Multiplies the channels of every layer [default: 1]
    #[arg(long, value_name = "W")]
    pub width: Option<f64>,
    /// How convolutions start [default: architecture; the preset `ltwb-cifar100`: ltwb]
    #[arg(long, value_enum, value_name = "NAME")]
    pub init: Option<Initialisation>,
    /// Loss: `ce`, `ce-drw`, `ldam-drw` (on a cosine head) or `bs` (Balanced Softmax) [default: ce]
    #[arg(long, value_name = "NAME")]
    pub loss: Option<String>,
    /// Fraction of the epochs after which `ce-drw` and `ldam-drw` weight the classes [default: 0.8]
    #[arg(long, value_name = "F")]
    pub drw_start: Option<f64>,
    /// Beta of their weights (1 - beta) / (1 - beta^n) [default: 0.9999]
    #[arg(long, value_name = "BETA")]
    pub drw_beta: Option<f64>,
    /// Margin of the smallest class in `ldam-drw` [default: 0.5]
    #[arg(long, value_name = "M")]
    pub max_margin: Option<f64>,
    /// Factor between cosines and logits in `ldam-drw` [default: 30]
    #[arg(long, value_name = "S")]
    pub scale: Option<f64>,
    /// Passes over the training set [default: 200]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Images of a step; a flag of its own in each command.
    #[arg(skip)]
    pub batch_size: Option<NonZeroUsize>,
    /// Compute each step in K parts, for less memory; batch normalisation sees one part at a time [default: 1]
    #[arg(long, value_name = "K")]
    #[serde(skip)]
    pub accumulate: Option<NonZeroUsize>,
    /// Learning rate before the schedule lowers it [default: 0.01]
    #[arg(long, value_name = "LR")]
    pub lr: Option<f64>,
    /// How the learning rate falls, once per epoch: `cosine`, `step` or `constant` [default: cosine]
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<String>,
    /// Fractions of the epochs after which `step` lowers the rate [default: 0.8,0.9]
    #[arg(long, value_name = "F,F", value_delimiter = ',')]
    pub milestones: Option<Vec<f64>>,
    /// What `step` multiplies the rate by [default: 0.01]
    #[arg(long, value_name = "X")]
    pub factor: Option<f64>,
    /// Epochs at the start in which the rate rises linearly [default: 0]
    #[arg(long, value_name = "N")]
    pub warm_up: Option<u32>,
    /// Momentum of SGD [default: 0.9]
    #[arg(long, value_name = "M")]
    pub momentum: Option<f64>,
    /// Coupled weight decay on all parameters [default: 0.005]
    #[arg(long, value_name = "WD")]
    pub weight_decay: Option<f64>,
    /// Seed of initial weights, sample order, crops and flips [default: 0]
    #[arg(long, value_name = "SEED")]
    #[serde(skip)]
    pub seed: Option<u64>,
}

impl RecipeArgs {
    /// The flags that were given.
    pub fn given(&self) -> Vec<&'static str> {
        [
            ("--preset", self.preset.is_some()),
            ("--backbone", self.backbone.is_some()),
            ("--width", self.width.is_some()),
            ("--init", self.init.is_some()),
            ("--loss", self.loss.is_some()),
            ("--drw-start", self.drw_start.is_some()),
            ("--drw-beta", self.drw_beta.is_some()),
            ("--max-margin", self.max_margin.is_some()),
            ("--scale", self.scale.is_some()),
            ("--epochs", self.epochs.is_some()),
            ("--accumulate", self.accumulate.is_some()),
            ("--lr", self.lr.is_some()),
            ("--schedule", self.schedule.is_some()),
            ("--milestones", self.milestones.is_some()),
            ("--factor", self.factor.is_some()),
            ("--warm-up", self.warm_up.is_some()),
            ("--momentum", self.momentum.is_some()),
            ("--weight-decay", self.weight_decay.is_some()),
            ("--seed", self.seed.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}
