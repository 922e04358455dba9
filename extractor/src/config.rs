//! Settings as resolved: everything decided, nothing optional that has a default.

use crate::weights::Layout;
use cache::ProgramInfo;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Number format of the forward and backward pass; weights, losses and updates are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// bfloat16 activations: several times faster on CPUs with AVX512-BF16 and on GPUs.
    Bf16,
}

impl Precision {
    /// The libtorch number type of activations.
    pub fn kind(self) -> tch::Kind {
        match self {
            Self::F32 => tch::Kind::Float,
            Self::Bf16 => tch::Kind::BFloat16,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// `--channels-last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ChannelsLast {
    /// The order that is faster.
    Auto,
    /// The channels of a pixel side by side.
    On,
    /// A plane for each channel.
    Off,
}

impl ChannelsLast {
    /// The memory order asked for.
    ///
    /// `auto` is channels-last, the order in which oneDNN's newer kernels and tensor cores compute. Training on one thread
    /// of a CPU with AVX512-BF16, it gave 1.3 times the images per second for ResNet-18 and -34 × 0.25 in f32, and 1.0 to
    /// 1.2 times in bf16 and for ResNet-32, where runs themselves differ by a tenth. GPUs and full widths were not measured.
    pub fn layout(self) -> Layout {
        match self {
            Self::Auto | Self::On => Layout::ChannelsLast,
            Self::Off => Layout::ChannelsFirst,
        }
    }
}

/// This program, for manifests and checkpoints.
pub(crate) fn program() -> ProgramInfo {
    cache::program_info("extractor", env!("CARGO_PKG_VERSION"), env!("GIT_COMMIT"))
}
