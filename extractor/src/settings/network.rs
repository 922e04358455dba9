//! Which network a command is given.

use std::path::{Path, PathBuf};

/// The file that a frozen network comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NetworkFile {
    /// A checkpoint of `extractor train`.
    Checkpoint(PathBuf),
    /// Weights of a network that is built by name.
    Weights(PathBuf),
    /// A TorchScript module.
    TorchScript(PathBuf),
}

impl NetworkFile {
    /// What was typed of the three flags, which exclude each other on the command line; `None` where none was.
    pub(super) fn typed(
        checkpoint: Option<&Path>,
        weights: Option<&Path>,
        torchscript: Option<&Path>,
    ) -> Option<Self> {
        let checkpoint = checkpoint.map(|path| Self::Checkpoint(path.to_owned()));
        let weights = || weights.map(|path| Self::Weights(path.to_owned()));
        let torchscript = || torchscript.map(|path| Self::TorchScript(path.to_owned()));
        checkpoint.or_else(weights).or_else(torchscript)
    }

    /// The flag that names it.
    pub(super) fn flag(&self) -> &'static str {
        match self {
            Self::Checkpoint(_) => "--checkpoint",
            Self::Weights(_) => "--weights",
            Self::TorchScript(_) => "--torchscript",
        }
    }
}
