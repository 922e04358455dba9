//! Every way in which the extractor can fail, each with what was expected, what was found, and a hint.

use cache::CacheError;
use files::{FileError, Hint, text};
use std::path::{Path, PathBuf};

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

    /// libtorch refused an operation.
    #[error("libtorch could not {action}")]
    Torch {
        /// What was tried, as the end of the sentence "could not …".
        action: String,
        /// libtorch's own message.
        source: tch::TchError,
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
    #[error("unknown {kind} `{name}`: known are {}", .known.join(", "))]
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

    /// An [`ExtractError::Torch`], for `map_err`; libtorch's message in few words.
    pub(crate) fn torch(action: impl Into<String>) -> impl FnOnce(tch::TchError) -> Self {
        move |source| {
            let source = match source {
                tch::TchError::Torch(message) => tch::TchError::Torch(plain(message)),
                other => other,
            };
            Self::Torch { action: action.into(), source }
        }
    }
}

impl Hint for ExtractError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Torch { source, .. } => source
                .to_string()
                .contains("memory")
                .then(|| "a smaller `--batch-size` needs less memory".to_owned()),
            Self::Signals { .. } | Self::Worker { .. } => None,
            Self::NotFound { hint, .. }
            | Self::Malformed { hint, .. }
            | Self::InvalidSetting { hint, .. } => Some(hint.clone()).filter(|hint| !hint.is_empty()),
            Self::UnknownName { name, known, .. } => {
                closest(name, known).map(|best| format!("did you mean `{best}`?"))
            }
            Self::OtherSettings { .. } => {
                Some("give the same settings to continue it, another `--out`, or remove it first".to_owned())
            }
            Self::OtherData { .. } => Some(
                "give the data settings of its training, or `--allow-other-data` to use it on these"
                    .to_owned(),
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

/// A message of libtorch's without its C++ frames; memory that ran out is said in words.
fn plain(mut message: String) -> String {
    const OUT_OF_MEMORY: [&str; 3] = ["bad_alloc", "can't allocate memory", "out of memory"];
    if OUT_OF_MEMORY.iter().any(|sign| message.contains(sign)) && !message.contains("CUDA") {
        let bytes = message.split_once("tried to allocate ").and_then(|(_, rest)| rest.split_once(" bytes"));
        return match bytes {
            Some((bytes, _)) => format!("not enough memory for {bytes} bytes more"),
            None => "not enough memory".to_owned(),
        };
    }
    message.truncate(message.find("\nException raised from").unwrap_or(message.len()));
    message
}

/// The known name nearest to a mistyped one, if any is near.
fn closest<'known>(name: &str, known: &'known [String]) -> Option<&'known str> {
    known
        .iter()
        .map(|candidate| (edit_distance(name, candidate), candidate.as_str()))
        .min()
        .filter(|&(distance, candidate)| distance <= 2.max(candidate.len() / 3))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        let mut left = i + 1;
        for ((to, &diagonal), &above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(from != *to));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_libtorch_come_without_cpp_frames() {
        let (left, right) =
            (tch::Tensor::from(1.0).reshape([1, 1]), tch::Tensor::from_slice(&[1.0; 6]).reshape([2, 3]));
        let source = left.f_matmul(&right).unwrap_err();
        assert!(source.to_string().contains("Exception raised from"), "libtorch changed: {source}");
        let ExtractError::Torch { source, .. } = ExtractError::torch("multiply")(source) else {
            unreachable!()
        };
        let message = source.to_string();
        assert!(message.contains("1x1 and 2x3") && message.lines().count() == 1, "{message}");
    }

    #[test]
    fn memory_that_ran_out_is_said_in_words() {
        let allocator = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you \
            tried to allocate 4096 bytes. Error code 12 (Cannot allocate memory)\nframe #0: c10::ThrowEnforceNotMet";
        assert_eq!(plain(allocator.to_owned()), "not enough memory for 4096 bytes more");
        assert_eq!(plain("std::bad_alloc".to_owned()), "not enough memory");
    }

    #[test]
    fn a_mistyped_name_gets_a_hint_and_a_strange_one_none() {
        let known = vec!["cifar10".to_owned(), "cifar100".to_owned()];
        assert_eq!(closest("cifar-100", &known), Some("cifar100"));
        assert_eq!(closest("imagenet", &known), None);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}
