//! What can go wrong with a RUNS folder.

use shared::{CacheError, Hint};
use std::{fmt, io, path::PathBuf};
use thiserror::Error;

/// A RUNS folder that cannot be read or written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// There is no such folder or file.
    #[error("no run records at `{}`", path.display())]
    NotFound {
        /// Where they should be.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// A record that cannot be written as JSON.
    #[error("record of run `{run_id}` is not JSON")]
    Encode {
        /// The run.
        run_id: String,
        /// What serde_json says.
        source: serde_json::Error,
    },
    /// A file beside the records that cannot be written.
    #[error(transparent)]
    File(#[from] CacheError),
    /// No run has an id that starts so.
    #[error("no run `{id}` in `{}`", path.display())]
    UnknownRun {
        /// The id or its beginning.
        id: String,
        /// The RUNS folder.
        path: PathBuf,
    },
    /// Several runs have an id that starts so.
    #[error("run id `{id}` is ambiguous: {matches} runs start with it")]
    AmbiguousRun {
        /// The beginning of the ids.
        id: String,
        /// How many runs have it.
        matches: usize,
    },
}

impl RecordError {
    /// For `map_err`: the operation and file that an I/O error belongs to.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::NotFound if action == "read" => Self::NotFound { path },
            _ => Self::Io { action, path, source },
        }
    }
}

impl Hint for RecordError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => {
                Some("run `retrainer sweep --out RUNS` first, or check the path".to_owned())
            }
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    Some(
                        "free some space and start again: finished runs are kept and not repeated".to_owned(),
                    )
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("choose a folder that you may write to".to_owned())
                }
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    Some("RUNS is a folder: choose another name, or move the file that is there".to_owned())
                }
                _ => None,
            },
            Self::Encode { .. } => None,
            Self::File(error) => error.hint(),
            Self::UnknownRun { .. } => {
                Some("`retrainer report RUNS --format json` lists the run ids of each row".to_owned())
            }
            Self::AmbiguousRun { .. } => Some("give more digits of the run id".to_owned()),
        }
    }
}

/// Something in a record file that readers skip and say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The last line has no end: its process was killed while writing.
    Torn {
        /// The file.
        path: PathBuf,
        /// Line number from one.
        line: u64,
    },
    /// A line that is no record.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Line number from one.
        line: u64,
        /// Why.
        reason: String,
    },
    /// A copy of a cache's manifest that cannot be read.
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The rest of a file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// First line that is missing, from one.
        line: u64,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn { path, line } => {
                write!(
                    f,
                    "{}:{line}: unfinished last line of an interrupted process, ignored",
                    path.display()
                )
            }
            Self::Corrupt { path, line, reason } => {
                write!(f, "{}:{line}: not a record, ignored: {reason}", path.display())
            }
            Self::Cache { path, reason } => {
                write!(f, "{}: not the manifest of a cache, ignored: {reason}", path.display())
            }
            Self::Unreadable { path, line, reason } => {
                write!(f, "{}:{line}: the rest of the file cannot be read: {reason}", path.display())
            }
        }
    }
}
