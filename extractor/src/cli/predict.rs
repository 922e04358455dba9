//! Arguments of `predict`.

use super::train::MachineArgs;
use crate::images::MaxPixels;
use clap::{ArgGroup, Args};
use std::{num::NonZeroUsize, path::PathBuf};

/// `extractor predict`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("network").args(["checkpoint", "weights", "torchscript"]).required(true))]
#[command(after_help = "\
The head says which pixels, network and classes it is for; another network than that of the dump is refused. Folders are
searched for images. A row for each image, `path,label,probability`, with --top also `label_2,probability_2` and so on.
Exit status 1 where an image could not be read; every such image is named.

Examples:
  extractor predict --head best.safetensors --weights r50.safetensors NEW --out predictions.csv
  extractor predict --head best.safetensors --torchscript model.pt a.jpg b.jpg --top 5 --out predictions.json")]
pub struct PredictArgs {
    /// Images, and folders of them
    #[arg(value_name = "PATH", required = true)]
    pub images: Vec<PathBuf>,
    /// A head of `retrainer export`
    #[arg(long, value_name = "HEAD")]
    pub head: PathBuf,
    /// Checkpoint that the features were dumped with
    #[arg(long, value_name = "CKPT", help_heading = "Backbone")]
    pub checkpoint: Option<PathBuf>,
    /// Weights file that they were dumped with
    #[arg(long, value_name = "FILE", help_heading = "Backbone")]
    pub weights: Option<PathBuf>,
    /// Name of the network of --weights [default: that of the head]
    #[arg(long, value_name = "NAME", requires = "weights", help_heading = "Backbone")]
    pub backbone: Option<String>,
    /// Factor on its channels [default: that of the head]
    #[arg(long, value_name = "W", requires = "weights", help_heading = "Backbone")]
    pub width: Option<f64>,
    /// TorchScript module that they were dumped with. A module is code that runs with your rights: take it from sources you trust
    #[arg(long, value_name = "FILE", help_heading = "Backbone")]
    pub torchscript: Option<PathBuf>,
    /// Take the module's output as features, as in the dump
    #[arg(long, requires = "torchscript", help_heading = "Backbone")]
    pub keep_last_linear: bool,
    /// Classes that are written of each image, the most probable first
    #[arg(long, value_name = "K", default_value = "1")]
    pub top: NonZeroUsize,
    /// Pixels that an image file may have; one that claims more is not read
    #[arg(long, value_name = "N", default_value_t = MaxPixels::default())]
    pub max_pixels: MaxPixels,
    /// Where and how fast.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Images of a forward pass [default: 256; 16 for photographs on a CPU]
    #[arg(long, value_name = "B", help_heading = "Machine")]
    pub batch_size: Option<NonZeroUsize>,
    /// The table: CSV, or JSON where the name ends in `.json`
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
