//! Arguments of the commands that work on a finished cache.

use clap::Args;
use std::path::PathBuf;

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
