//! Arguments of `train`, most of which `dump` has, too.

use crate::{
    config::{ChannelsLast, Precision},
    datasets::{
        longtail::Rounding,
        subset::{SubsetRule, SubsetSpec},
    },
};
use clap::Args;
use shared::device::DeviceChoice;
use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

/// Which samples: a data set and the long-tailed subset of it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Data set (`extractor datasets` lists them)
    #[arg(long, value_name = "NAME")]
    pub dataset: String,
    /// Folder with the data set's files
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Largest over smallest class count of the training subset [default: the whole training set]
    #[arg(long, value_name = "R")]
    pub imbalance_ratio: Option<f64>,
    /// Which images of a class come first
    #[arg(long, value_enum, value_name = "RULE", default_value_t = SubsetRule::FirstN)]
    pub subset: SubsetRule,
    /// Indices of the training images, as a JSON list or one number a line; for --subset index-file
    #[arg(long, value_name = "FILE")]
    pub index_file: Option<PathBuf>,
    /// Images of the largest class [default: all]
    #[arg(long, value_name = "N")]
    pub n_max: Option<u64>,
    /// How class counts become whole [default: trunc; round where --n-max is given]
    #[arg(long, value_enum, value_name = "RULE")]
    pub rounding: Option<Rounding>,
    /// Validation images of each class, from training images that the subset does not use
    #[arg(long, value_name = "N")]
    pub val_per_class: Option<u64>,
}

impl DataArgs {
    /// The subset that these arguments ask for.
    pub fn subset_spec(&self) -> SubsetSpec {
        SubsetSpec {
            rule: self.subset,
            imbalance_ratio: self.imbalance_ratio,
            n_max: self.n_max,
            rounding: self.rounding,
            val_per_class: self.val_per_class,
            index_file: self.index_file.clone(),
        }
    }
}

/// How a backbone is trained.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Training")]
pub struct RecipeArgs {
    /// Architecture (`extractor backbones` lists them)
    #[arg(long, value_name = "NAME", default_value = "resnet34")]
    pub backbone: String,
    /// Multiplies the channels of every layer
    #[arg(long, value_name = "W", default_value_t = 1.0)]
    pub width: f64,
    /// Loss: `ce` is cross-entropy
    #[arg(long, value_name = "NAME", default_value = "ce")]
    pub loss: String,
    /// Passes over the training set
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub epochs: u32,
    /// Learning rate at the start; falls to zero by a cosine, once per epoch
    #[arg(long, value_name = "LR", default_value_t = 0.01)]
    pub lr: f64,
    /// Momentum of SGD
    #[arg(long, value_name = "M", default_value_t = 0.9)]
    pub momentum: f64,
    /// Coupled weight decay on all parameters
    #[arg(long, value_name = "WD", default_value_t = 5e-3)]
    pub weight_decay: f64,
    /// Seed of initial weights, sample order, crops and flips
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
}

/// Where and how fast.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Machine")]
pub struct MachineArgs {
    /// `auto`, `cpu`, `cuda` or `cuda:i`
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    pub device: DeviceChoice,
    /// CPU threads [default: one for each physical core]
    #[arg(long, value_name = "N")]
    pub threads: Option<u32>,
    /// Number format of activations
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    pub precision: Precision,
    /// Memory order with the channels of a pixel side by side; `auto` is the faster one
    #[arg(long, value_enum, default_value_t = ChannelsLast::Auto)]
    pub channels_last: ChannelsLast,
}

/// `extractor train`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A run that was stopped or killed continues from its last finished epoch when the same command is given again.

Example:
  extractor train --dataset cifar100 --data ~/cifar-100-binary --imbalance-ratio 100 \\
      --backbone resnet18 --width 0.25 --epochs 100 --precision bf16 --out checkpoints/c100")]
pub struct TrainArgs {
    /// Which samples.
    #[command(flatten)]
    pub data: DataArgs,
    /// How to train.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Images of a step
    #[arg(long, value_name = "B", default_value = "64", help_heading = "Training")]
    pub batch_size: NonZeroUsize,
    /// Test accuracy after every so many epochs, and after the last
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Training")]
    pub eval_every: NonZeroU32,
    /// Where and how fast.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Folder of the checkpoint and of `train.jsonl`
    #[arg(long, value_name = "CKPT")]
    pub out: PathBuf,
}
