//! Settings as resolved: everything decided, nothing optional that has a default.

use crate::weights::Layout;
use serde::{Deserialize, Serialize};
use shared::ProgramInfo;
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
    /// The memory order asked for; `auto` is channels-last, which measured faster for every network here, in f32 and bf16.
    pub fn layout(self) -> Layout {
        match self {
            Self::Auto | Self::On => Layout::ChannelsLast,
            Self::Off => Layout::ChannelsFirst,
        }
    }
}

/// This program, for manifests and checkpoints.
pub(crate) fn program() -> ProgramInfo {
    shared::program_info("extractor", env!("CARGO_PKG_VERSION"), env!("GIT_COMMIT"))
}
