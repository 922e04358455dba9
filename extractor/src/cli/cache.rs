//! Arguments of the commands that work on a finished cache.

use super::train::{ListArgs, MachineArgs};
use clap::{ArgGroup, Args};
use std::{num::NonZeroUsize, path::PathBuf};

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
#[command(group = ArgGroup::new("network").args(["checkpoint", "weights", "torchscript"]))]
#[command(after_help = "\
Exit status 1 where something is damaged; every damaged file is named.

With --repair damaged files are computed again from the backbone and images that the cache was dumped from; the settings
are those of its manifest, lists of images are given again. A shard is replaced only by one with the checksum that the
manifest has.

Examples:
  extractor verify caches/c100
  extractor verify caches/c100 --repair --checkpoint checkpoints/c100 --data ~/cifar-100-binary")]
pub struct VerifyArgs {
    /// Folder of the feature cache
    pub cache: PathBuf,
    /// Write damaged files again
    #[arg(long, requires_all = ["network", "data"])]
    pub repair: bool,
    /// Checkpoint that the cache was dumped with
    #[arg(long, value_name = "CKPT", requires = "repair", help_heading = "Repair")]
    pub checkpoint: Option<PathBuf>,
    /// Weights file that the cache was dumped with
    #[arg(long, value_name = "FILE", requires = "repair", help_heading = "Repair")]
    pub weights: Option<PathBuf>,
    /// TorchScript module that the cache was dumped with
    #[arg(long, value_name = "FILE", requires = "repair", help_heading = "Repair")]
    pub torchscript: Option<PathBuf>,
    /// Folder with the files of the data set
    #[arg(long, value_name = "DIR", requires = "repair", help_heading = "Repair")]
    pub data: Option<PathBuf>,
    /// List of the training images, where the subset is one of an index file
    #[arg(long, value_name = "FILE", requires = "repair", help_heading = "Repair")]
    pub index_file: Option<PathBuf>,
    /// Which image file is of which split, as in the dump.
    #[command(flatten, next_help_heading = "Repair")]
    pub lists: ListArgs,
    /// Images of a forward pass, as in the dump [default: 256; 16 for photographs on a CPU]
    #[arg(long, value_name = "B", requires = "repair", help_heading = "Repair")]
    pub batch_size: Option<NonZeroUsize>,
    /// Where, as in the dump.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `extractor merge`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The last partition to finish does this by itself; this command does it where that one was stopped.

Example:
  extractor merge caches/c100")]
pub struct MergeArgs {
    /// Folder that the partitions wrote to
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
