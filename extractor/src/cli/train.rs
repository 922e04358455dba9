//! Arguments of `train`, most of which `dump` has, too.

use super::{RecipeArgs, fractions::FractionArgs};
use crate::{
    config::{ChannelsLast, Precision},
    datasets::{longtail::Rounding, subset::SubsetRule},
    images::MaxPixels,
    stage1::Judge,
};
use clap::Args;
use program::device::DeviceChoice;
use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

/// Which image file is of which split, for data sets of image files.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// The splits that are drawn.
    #[command(flatten)]
    pub fractions: FractionArgs,
    /// List of the training images, `relative/path.jpg label` a line, or iNaturalist's JSON [default: the usual file in --data]
    #[arg(long, value_name = "FILE")]
    pub train_list: Option<PathBuf>,
    /// List of the validation images
    #[arg(long, value_name = "FILE")]
    pub val_list: Option<PathBuf>,
    /// List of the test images
    #[arg(long, value_name = "FILE")]
    pub test_list: Option<PathBuf>,
    /// Split of a folder, `relative/path train|val|test` a line
    #[arg(long, value_name = "FILE")]
    pub split_file: Option<PathBuf>,
    /// Folder of a folder's training images [default: train, Training or the like]
    #[arg(long, value_name = "NAME")]
    pub train_split: Option<String>,
    /// Folder of its validation images [default: val, valid, Validation or the like]
    #[arg(long, value_name = "NAME")]
    pub val_split: Option<String>,
    /// Folder of its test images; `val` is no validation split then [default: test, Testing or the like]
    #[arg(long, value_name = "NAME")]
    pub test_split: Option<String>,
    /// Names of the classes, one a line or as JSON, in the order of the labels [default: those of the folders or annotations]
    #[arg(long, value_name = "FILE")]
    pub class_names: Option<PathBuf>,
    /// Pixels that an image file may have; one that claims more is broken
    #[arg(long, value_name = "N", default_value_t = MaxPixels::default())]
    pub max_pixels: MaxPixels,
}

/// Which samples: a data set and the long-tailed subset of it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Data set (`extractor datasets` lists them)
    #[arg(long, value_name = "NAME")]
    pub dataset: String,
    /// Folder with the data set's files; names in lists are relative to it
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
    /// Which image file is of which split.
    #[command(flatten)]
    pub lists: ListArgs,
    /// Leave out images that cannot be read, say which, and list them in the manifest
    #[arg(long)]
    pub skip_broken: bool,
    /// Shorter side of photographs before the centre crop; a checkpoint keeps its own [default: 256]
    #[arg(long, value_name = "PIXELS")]
    pub resize: Option<NonZeroUsize>,
    /// Side of the square that the backbone sees of photographs; a checkpoint keeps its own [default: 224]
    #[arg(long, value_name = "PIXELS")]
    pub crop: Option<NonZeroUsize>,
}

/// Where and how fast.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Machine")]
pub struct MachineArgs {
    /// `auto`, `cpu`, `cuda` or `cuda:i`
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    pub device: DeviceChoice,
    /// CPU threads [default: one for each physical core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
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
A run that was stopped or killed continues from its last checkpoint when the same command is given again.

Examples:
  extractor train --dataset cifar100 --data ~/cifar-100-binary --imbalance-ratio 100 \\
      --backbone resnet18 --width 0.25 --epochs 100 --precision bf16 --out checkpoints/c100
  extractor train --preset table3-ldam-drw --epochs 100 --dataset cifar100 --data ~/cifar-100-binary \\
      --imbalance-ratio 100 --out checkpoints/ldam-drw
  extractor train --dataset cifar100 --data ~/cifar-100-binary --imbalance-ratio 100 \\
      --seeds 0,1,2 --out checkpoints/c100-seeds")]
pub struct TrainArgs {
    /// Which samples.
    #[command(flatten)]
    pub data: DataArgs,
    /// How to train.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Images of a step [default: 64]
    #[arg(long, value_name = "B", help_heading = "Training")]
    pub batch_size: Option<NonZeroUsize>,
    /// Train once for each of these seeds, into `CKPT/seed-0`, `CKPT/seed-1` …
    #[arg(
        long,
        value_name = "S,S",
        value_delimiter = ',',
        conflicts_with = "seed",
        help_heading = "Training"
    )]
    pub seeds: Option<Vec<u64>>,
    /// Test accuracy after every so many epochs, and after the last
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Training")]
    pub eval_every: NonZeroU32,
    /// Keep the measured epoch with the best accuracy on this split, too, in `CKPT/best`
    #[arg(long, value_enum, value_name = "SPLIT", help_heading = "Training")]
    pub keep_best: Option<Judge>,
    /// Where and how fast.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Folder of the checkpoint and of `train.jsonl`
    #[arg(long, value_name = "CKPT")]
    pub out: PathBuf,
}

/// `extractor presets`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  extractor presets
  extractor presets table3-ldam-drw")]
pub struct PresetsArgs {
    /// Show this preset's file instead of the list
    pub name: Option<String>,
}
