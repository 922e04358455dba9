//! Every way in which the extractor can fail, each with what was expected, what was found, and a hint.

use cache::CacheError;
use files::{FileError, Hint, text};
use program::{names::nearest, partition::UnknownTask};
use std::path::{Path, PathBuf};
use torch::Refusal;

/// What can go wrong between images on disk and a finished feature cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The cache on disk is damaged, unfinished, or cannot be written.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file or folder could not be read, written or locked.
    #[error(transparent)]
    File(#[from] FileError),

    /// `--partition auto` without a number.
    #[error(transparent)]
    UnknownTask(#[from] UnknownTask),

    /// libtorch refused an operation.
    #[error("libtorch could not {action}")]
    Torch {
        /// What was tried, as the end of the sentence "could not …".
        action: String,
        /// Why.
        source: Refusal,
    },

    /// A file or folder that a command needs is not there.
    #[error("`{}` not found: expected {expected}", text::path(.path))]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What to do.
        hint: String,
    },

    /// A file is there, and is not what its name says.
    #[error("`{}`: expected {expected}, got {got}", text::path(.path))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What its format asks for.
        expected: String,
        /// What it holds.
        got: String,
        /// What to do.
        hint: String,
    },

    /// A name that no list holds.
    #[error("unknown {kind} `{name}`: {}", listed(kind, .known))]
    UnknownName {
        /// What the name was for: `dataset`, `backbone`, `loss` …
        kind: &'static str,
        /// The name as given.
        name: String,
        /// Every name that would do.
        known: Vec<String>,
    },

    /// A setting outside its range, or one that does not fit the others.
    #[error("`{name}`: expected {expected}, got {got}")]
    InvalidSetting {
        /// The setting as the command line spells it, for example `--n-max`.
        name: &'static str,
        /// What it may be.
        expected: String,
        /// What it was.
        got: String,
        /// What to do.
        hint: String,
    },

    /// An unfinished or finished result of other settings is in the way.
    #[error("`{}` was made with other settings: {}", text::path(.path), .differences.join("; "))]
    OtherSettings {
        /// The folder or file in the way.
        path: PathBuf,
        /// One text for each setting that differs: `name: there X, asked for Y`.
        differences: Vec<String>,
    },

    /// A checkpoint of other training images than those asked for.
    #[error("`{}` was trained on other images: {}", text::path(.path), .differences.join("; "))]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
        /// One text for each setting that differs.
        differences: Vec<String>,
    },

    /// A network that is not the one whose features a head reads.
    #[error("`{}` is not the network of this head: {}", text::path(.path), .differences.join("; "))]
    OtherNetwork {
        /// The network's file.
        path: PathBuf,
        /// One text for each thing that differs.
        differences: Vec<String>,
    },

    /// Something that would be overwritten is there.
    #[error("`{}` exists already", text::path(.path))]
    Exists {
        /// The file or folder in the way.
        path: PathBuf,
    },

    /// The device asked for does not work here.
    #[error("{reason}")]
    Device {
        /// Which device, and why it does not work.
        reason: String,
    },

    /// The training loss is no longer a number.
    #[error("training diverged in epoch {epoch}: the loss is not finite at learning rate {lr:?}")]
    Diverged {
        /// The epoch, counted from 1.
        epoch: u32,
        /// Its learning rate.
        lr: f64,
    },

    /// Ctrl-C: everything finished so far is on disk.
    #[error("stopped on request: {state}")]
    Interrupted {
        /// What is on disk, for example `3 of 10 epochs are in `base``.
        state: String,
    },

    /// Ctrl-C cannot be caught.
    #[error("could not watch for Ctrl-C: {reason}")]
    Signals {
        /// The system's reason.
        reason: String,
    },

    /// A worker thread ended without a result.
    #[error("the {worker} thread ended without a result")]
    Worker {
        /// Which thread.
        worker: &'static str,
    },
}

impl ExtractError {
    /// An [`ExtractError::File`], for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File(FileError::io(action, path, source))
    }

    /// An [`ExtractError::Torch`], for `map_err`.
    pub(crate) fn torch(action: impl Into<String>) -> impl FnOnce(tch::TchError) -> Self {
        move |source| Self::Torch { action: action.into(), source: source.into() }
    }
}

/// The names of a list, or how many they are where nobody would read them all.
fn listed(kind: &str, known: &[String]) -> String {
    if known.len() > 16 {
        return format!("there are {}, `extractor {kind}s` lists them", known.len());
    }
    format!("known are {}", known.join(", "))
}

impl Hint for ExtractError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::UnknownTask(error) => Some(error.hint()),
            Self::Torch { source, .. } => source
                .to_string()
                .contains("memory")
                .then(|| "a smaller `--batch-size` needs less memory".to_owned()),
            Self::Signals { .. } | Self::Worker { .. } => None,
            Self::NotFound { hint, .. }
            | Self::Malformed { hint, .. }
            | Self::InvalidSetting { hint, .. } => Some(hint.clone()).filter(|hint| !hint.is_empty()),
            Self::UnknownName { name, known, .. } => {
                let nearest = nearest(name, known.iter().map(String::as_str));
                nearest.map(|best| format!("did you mean `{best}`?"))
            }
            Self::OtherSettings { .. } => {
                Some("give the same settings to continue it, another `--out`, or remove it first".to_owned())
            }
            Self::OtherData { .. } => Some(
                "give the data settings of its training, or `--allow-other-data` to use it on these"
                    .to_owned(),
            ),
            Self::OtherNetwork { .. } => Some(
                "give the network of the dump; `extractor inspect CACHE` shows which that was".to_owned(),
            ),
            Self::Exists { .. } => Some("give another path, or remove it first".to_owned()),
            Self::Device { .. } => {
                Some("`--device cpu` works everywhere, `--device auto` takes CUDA where it works".to_owned())
            }
            Self::Diverged { epoch, .. } => Some(match epoch {
                ..=1 => "a smaller `--lr` is steadier".to_owned(),
                _ => format!("a smaller `--lr` is steadier; epoch {} is still in the checkpoint", epoch - 1),
            }),
            Self::Interrupted { .. } => Some("run the same command again to continue".to_owned()),
        }
    }
}
