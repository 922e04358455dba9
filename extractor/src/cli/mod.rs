//! The command line as typed; `settings` turns it into values in which everything is decided.

mod bench;
mod cache;
mod dump;
mod fractions;
mod import;
mod manual;
mod predict;
mod recipe;
mod synthesise;
mod train;

pub use bench::BenchArgs;
pub use cache::{InspectArgs, InspectFormat, MergeArgs, PackArgs, UnpackArgs, VerifyArgs};
pub use dump::{BatchNormArg, DumpArgs};
pub use fractions::FractionArgs;
pub use import::ImportArgs;
pub use manual::{CompletionsArgs, ManArgs};
pub use predict::PredictArgs;
pub use recipe::RecipeArgs;
pub use synthesise::SynthesiseArgs;
pub use train::{DataArgs, ListArgs, MachineArgs, PresetsArgs, TrainArgs};

use clap::{Parser, Subcommand};

/// Images to feature cache: trains or loads a backbone and stores its frozen features.
#[derive(Debug, Parser)]
#[command(
    name = "extractor",
    version,
    max_term_width = 100,
    after_help = "\
Exit status: 0 done; 1 stopped by Ctrl-C, or a check failed; 2 could not run; 75 stopped by SIGTERM or SIGHUP: the same
command goes on.

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
    /// Make a feature cache of the shards that all partitions of a dump have written
    Merge(MergeArgs),
    /// Make a feature cache of features from another program
    Import(ImportArgs),
    /// Say which classes new images are of, by a head and the backbone whose features it reads
    Predict(PredictArgs),
    /// Make a feature cache of random features, of the size of a published data set or any other
    Synthesise(SynthesiseArgs),
    /// Show what a feature cache holds
    Inspect(InspectArgs),
    /// Read every byte of a feature cache, compare checksums, and repair damaged shards
    Verify(VerifyArgs),
    /// Pack a feature cache into one portable file
    Pack(PackArgs),
    /// Unpack and check a packed feature cache
    Unpack(UnpackArgs),
    /// Measure how fast this machine decodes, trains and dumps, also against PyTorch
    Bench(BenchArgs),
    /// List the backbones
    #[command(after_help = "Example:\n  extractor backbones")]
    Backbones,
    /// List the presets of `train`, or show the file of one
    Presets(PresetsArgs),
    /// List the data sets
    #[command(after_help = "Example:\n  extractor datasets")]
    Datasets,
    /// Print the completion script for a shell
    Completions(CompletionsArgs),
    /// Write the man pages
    Man(ManArgs),
}
