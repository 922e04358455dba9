//! The command line as typed.

use crate::{
    config::{ChannelsLast, Precision},
    datasets::longtail::{Rounding, SubsetRule, SubsetSpec},
};
use clap::{Args, Parser, Subcommand};
use shared::{Dtype, device::DeviceChoice};
use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
};

/// Images to feature cache: trains or loads a backbone and stores its frozen features.
#[derive(Debug, Parser)]
#[command(
    name = "extractor",
    version,
    max_term_width = 100,
    after_help = "\
Exit status: 0 done; 1 stopped early or a check failed; 2 could not run.

Example:
  extractor dump --dataset cifar100 --data ~/cifar-100-binary --imbalance-ratio 100 --out caches/c100"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One variant for each command; the work is in `commands/`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a backbone and its stage-1 head on a (long-tailed) data set
    Train(TrainArgs),
    /// Write the frozen features of a backbone to a feature cache
    Dump(DumpArgs),
    /// Make a feature cache of features from another program
    Import(ImportArgs),
    /// Show what a feature cache holds
    Inspect(InspectArgs),
    /// Read every byte of a feature cache and compare checksums
    Verify(CacheArgs),
    /// Pack a feature cache into one portable file
    Pack(PackArgs),
    /// Unpack and check a packed feature cache
    Unpack(UnpackArgs),
    /// List the backbones
    #[command(after_help = "Example:\n  extractor backbones")]
    Backbones,
    /// List the data sets
    #[command(after_help = "Example:\n  extractor datasets")]
    Datasets,
}

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
    /// Loss: `ce`, `ce-drw`, `ldam-drw`, `bs`
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
    /// CPU threads [default: all cores]
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

/// `extractor dump`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Without --checkpoint and --weights a backbone is trained first, with the settings under Training; its checkpoint
goes to CACHE.checkpoint. A dump that was stopped or killed goes on at its first missing shard when the same
command is given again.

Examples:
  extractor dump --checkpoint checkpoints/c100 --dataset cifar100 --data ~/cifar-100-binary \\
      --imbalance-ratio 100 --out caches/c100
  extractor dump --dataset cifar100 --data ~/cifar-100-binary --imbalance-ratio 100 --n-max 480 \\
      --val-per-class 20 --backbone resnet18 --width 0.25 --epochs 100 --augmented 20 --out caches/c100-val")]
pub struct DumpArgs {
    /// Which samples.
    #[command(flatten)]
    pub data: DataArgs,
    /// Checkpoint of `extractor train`
    #[arg(long, value_name = "CKPT", conflicts_with = "weights", help_heading = "Backbone")]
    pub checkpoint: Option<PathBuf>,
    /// Use the checkpoint on other images than it was trained on
    #[arg(long, requires = "checkpoint", help_heading = "Backbone")]
    pub allow_other_data: bool,
    /// Safetensors file with the weights of --backbone, under torchvision's names
    #[arg(long, value_name = "FILE", help_heading = "Backbone")]
    pub weights: Option<PathBuf>,
    /// How to train, where neither checkpoint nor weights are given.
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Images of a training step
    #[arg(long, value_name = "B", default_value = "64", help_heading = "Training")]
    pub train_batch_size: NonZeroUsize,
    /// Where and how fast.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Images of a forward pass
    #[arg(long, value_name = "B", default_value = "256", help_heading = "Machine")]
    pub batch_size: NonZeroUsize,
    /// Random crop-and-flip views of the training images
    #[arg(long, value_name = "K", default_value_t = 0, help_heading = "Features")]
    pub augmented: u32,
    /// Number format of the features: `f32`, `f16` or `bf16`
    #[arg(long, default_value_t = Dtype::F16, help_heading = "Features")]
    pub dtype: Dtype,
    /// Statistics of batch normalisation
    #[arg(long, value_enum, default_value_t = BatchNormArg::Eval, help_heading = "Features")]
    pub batch_norm: BatchNormArg,
    /// Rows of a shard [default: as many as stay below 256 MB]
    #[arg(long, value_name = "N", help_heading = "Features")]
    pub shard_rows: Option<NonZeroUsize>,
    /// Folder of the feature cache
    #[arg(long, value_name = "CACHE")]
    pub out: PathBuf,
}

/// Statistics of batch normalisation during a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BatchNormArg {
    /// The running statistics of stage 1
    Eval,
    /// The statistics of each batch
    Train,
}

/// `extractor import`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A safetensors FILE has `features` [N, D] and `labels` [N], optionally `features_flipped` [N, D] and `sample_ids` [N];
a head has `weight` [C, D] and optionally `bias` [C]. NumPy files come in pairs.

Examples:
  extractor import --train train.safetensors --test test.safetensors --head fc.safetensors --out caches/mine
  extractor import --train-features x.npy --train-labels y.npy --test-features u.npy --test-labels v.npy \\
      --out caches/mine")]
pub struct ImportArgs {
    /// Training split
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "train_features",
        required_unless_present = "train_features"
    )]
    pub train: Option<PathBuf>,
    /// Test split
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "test_features",
        required_unless_present = "test_features"
    )]
    pub test: Option<PathBuf>,
    /// Validation split
    #[arg(long, value_name = "FILE", conflicts_with = "val_features")]
    pub val: Option<PathBuf>,
    /// Stage-1 head
    #[arg(long, value_name = "FILE")]
    pub head: Option<PathBuf>,
    /// Training features, one row a sample
    #[arg(long, value_name = "NPY", requires = "train_labels", help_heading = "NumPy files")]
    pub train_features: Option<PathBuf>,
    /// Training labels, one for each row
    #[arg(long, value_name = "NPY", requires = "train_features", help_heading = "NumPy files")]
    pub train_labels: Option<PathBuf>,
    /// Training features of the mirrored images
    #[arg(long, value_name = "NPY", requires = "train_features", help_heading = "NumPy files")]
    pub train_features_flipped: Option<PathBuf>,
    /// Test features, one row a sample
    #[arg(long, value_name = "NPY", requires = "test_labels", help_heading = "NumPy files")]
    pub test_features: Option<PathBuf>,
    /// Test labels, one for each row
    #[arg(long, value_name = "NPY", requires = "test_features", help_heading = "NumPy files")]
    pub test_labels: Option<PathBuf>,
    /// Test features of the mirrored images
    #[arg(long, value_name = "NPY", requires = "test_features", help_heading = "NumPy files")]
    pub test_features_flipped: Option<PathBuf>,
    /// Validation features, one row a sample
    #[arg(long, value_name = "NPY", requires = "val_labels", help_heading = "NumPy files")]
    pub val_features: Option<PathBuf>,
    /// Validation labels, one for each row
    #[arg(long, value_name = "NPY", requires = "val_features", help_heading = "NumPy files")]
    pub val_labels: Option<PathBuf>,
    /// Validation features of the mirrored images
    #[arg(long, value_name = "NPY", requires = "val_features", help_heading = "NumPy files")]
    pub val_features_flipped: Option<PathBuf>,
    /// What the manifest calls the data set
    #[arg(long, default_value = "imported")]
    pub name: String,
    /// What the manifest calls the backbone
    #[arg(long, default_value = "unknown")]
    pub backbone: String,
    /// Number format of the cache: `f32`, `f16` or `bf16` [default: that of the training features]
    #[arg(long)]
    pub dtype: Option<Dtype>,
    /// Rows of a shard [default: as many as stay below 256 MB]
    #[arg(long, value_name = "N")]
    pub shard_rows: Option<NonZeroUsize>,
    /// Folder of the feature cache
    #[arg(long, value_name = "CACHE")]
    pub out: PathBuf,
}

/// Features, labels and, where given, features of the mirrored images of one split.
pub type NpyFiles<'args> = (&'args Path, &'args Path, Option<&'args Path>);

impl ImportArgs {
    /// The NumPy files of the training split.
    pub fn train_npy(&self) -> Option<NpyFiles<'_>> {
        npy_files(
            self.train_features.as_ref(),
            self.train_labels.as_ref(),
            self.train_features_flipped.as_ref(),
        )
    }

    /// The NumPy files of the validation split.
    pub fn val_npy(&self) -> Option<NpyFiles<'_>> {
        npy_files(self.val_features.as_ref(), self.val_labels.as_ref(), self.val_features_flipped.as_ref())
    }

    /// The NumPy files of the test split.
    pub fn test_npy(&self) -> Option<NpyFiles<'_>> {
        npy_files(self.test_features.as_ref(), self.test_labels.as_ref(), self.test_features_flipped.as_ref())
    }
}

fn npy_files<'args>(
    features: Option<&'args PathBuf>,
    labels: Option<&'args PathBuf>,
    flipped: Option<&'args PathBuf>,
) -> Option<NpyFiles<'args>> {
    Some((features?.as_path(), labels?.as_path(), flipped.map(PathBuf::as_path)))
}

/// How `extractor inspect` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InspectFormat {
    /// One line a fact
    Text,
    /// The manifest and what follows from it
    Json,
}

/// `extractor inspect`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  extractor inspect caches/c100 --format json")]
pub struct InspectArgs {
    /// Folder of the feature cache
    pub cache: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = InspectFormat::Text)]
    pub format: InspectFormat,
}

/// `extractor verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Exit status 1 where something is damaged; every damaged file is named.

Example:
  extractor verify caches/c100")]
pub struct CacheArgs {
    /// Folder of the feature cache
    pub cache: PathBuf,
}

/// `extractor pack`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  extractor pack caches/c100 c100.tar.zst")]
pub struct PackArgs {
    /// Folder of the feature cache
    pub cache: PathBuf,
    /// The archive, which must not exist yet
    #[arg(value_name = "FILE.tar.zst")]
    pub archive: PathBuf,
    /// How hard to compress, 1 to 22
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(i32).range(1..=22))]
    pub level: i32,
}

/// `extractor unpack`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  extractor unpack c100.tar.zst caches/c100")]
pub struct UnpackArgs {
    /// An archive of `extractor pack`
    #[arg(value_name = "FILE.tar.zst")]
    pub archive: PathBuf,
    /// Folder of the feature cache, which must not exist yet
    pub cache: PathBuf,
}
