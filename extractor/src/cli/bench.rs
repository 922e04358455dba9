//! Arguments of `bench`.

use crate::config::ChannelsLast;
use clap::Args;
use program::device::DeviceChoice;
use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

/// `extractor bench`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Images are generated: JPEG files of 500×375 pixels for `decode`, and what the backbone takes for the rest (32×32 pixels, or
the same files cropped to 224). A rate is that of the fastest of several rounds. With --peer, PyTorch does the same between
the rounds, on the same architecture, threads, memory order and batch; a ratio above 1 means that this program is faster.

Examples:
  extractor bench --backbone resnet18 --width 0.25
  extractor bench --backbone resnet34 --batch-size 64 --threads 1 --seconds 10 --peer python3")]
pub struct BenchArgs {
    /// Architecture (`extractor backbones` lists them)
    #[arg(long, value_name = "NAME", default_value = "resnet18")]
    pub backbone: String,
    /// Multiplies the channels of every layer
    #[arg(long, value_name = "W", default_value_t = 1.0)]
    pub width: f64,
    /// Images of a step and of a forward pass
    #[arg(long, value_name = "B", default_value = "64")]
    pub batch_size: NonZeroUsize,
    /// `auto`, `cpu`, `cuda` or `cuda:i`
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    pub device: DeviceChoice,
    /// CPU threads, for decoding too [default: one for each physical core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1024))]
    pub threads: Option<u32>,
    /// Memory order with the channels of a pixel side by side
    #[arg(long, value_enum, default_value_t = ChannelsLast::Auto)]
    pub channels_last: ChannelsLast,
    /// Seconds of each measurement
    #[arg(long, value_name = "S", default_value_t = 6.0)]
    pub seconds: f64,
    /// Rounds that they are divided into
    #[arg(long, value_name = "N", default_value = "3")]
    pub rounds: NonZeroU32,
    /// Python with PyTorch, to compare with
    #[arg(long, value_name = "PYTHON")]
    pub peer: Option<PathBuf>,
    /// Image files of the first of two dumps whose memory is compared; the second has four times as many
    #[arg(long, value_name = "N", default_value = "512")]
    pub images: NonZeroUsize,
}
