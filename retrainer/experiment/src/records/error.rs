//! What can go wrong with a RUNS folder.

use files::{FileError, Hint, text};
use std::{fmt, io, path::PathBuf};
use thiserror::Error;

/// A RUNS folder that cannot be read or written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// There is no such folder or file.
    #[error("no run records at `{}`", text::path(path))]
    NotFound {
        /// Where they should be.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`", text::path(path))]
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
    File(#[from] FileError),
    /// No run has an id that starts so.
    #[error("no run `{id}` in `{}`", text::path(path))]
    UnknownRun {
        /// The id or its beginning.
        id: String,
        /// The RUNS folder.
        path: PathBuf,
        /// The id that is most like it.
        nearest: Option<String>,
    },
    /// Several runs have an id that starts so.
    #[error("run id `{id}` is ambiguous: {matches} runs start with it")]
    AmbiguousRun {
        /// The beginning of the ids.
        id: String,
        /// How many runs have it.
        matches: usize,
        /// The first of them, with their methods.
        some: Vec<String>,
    },
    /// The file that numbers the parts of the work says nothing.
    #[error("`{}` does not say how the work is dealt: {reason}", text::path(path))]
    Partitions {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A list of the heads that a sweep was asked for, which nobody can read.
    #[error("`{}` does not say what was asked for: {reason}", text::path(path))]
    Asked {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A part of another deal.
    #[error("`--partition {got}`: the work of `{}` is dealt to {of} parts", text::path(path))]
    OtherDeal {
        /// What was asked for.
        got: String,
        /// The RUNS folder.
        path: PathBuf,
        /// How many parts it has.
        of: usize,
    },
    /// A record that was whole is no longer.
    #[error("the record of run `{run_id}` cannot be read again: {reason}")]
    Damaged {
        /// The run.
        run_id: String,
        /// Where and why.
        reason: String,
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
            Self::Io { action, source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied if *action == "read" => {
                    Some("ask for the permission to read it".to_owned())
                }
                io::ErrorKind::NotADirectory if *action == "read" => {
                    Some("RUNS is a folder of run records, or one record file".to_owned())
                }
                io::ErrorKind::FileTooLarge => Some(files::error::TOO_LARGE.to_owned()),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
                    "free some space and start again: finished runs are kept and not repeated".to_owned(),
                ),
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
            Self::UnknownRun { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownRun { .. } => {
                Some("`retrainer report RUNS --format json` lists the run ids of each row".to_owned())
            }
            Self::AmbiguousRun { matches, some, .. } => {
                let more = matches.saturating_sub(some.len());
                let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
                Some(format!("give more digits of one of {}{tail}", some.join(", ")))
            }
            Self::Partitions { path, .. } => Some(format!(
                "remove `{}` while no process works there: the next one with `--partition` writes it",
                text::path(path)
            )),
            Self::Asked { .. } => {
                Some("give the same `retrainer sweep` again: it writes the file anew".to_owned())
            }
            Self::OtherDeal { of, .. } => Some(format!(
                "give I/{of}, or no `--partition` for all that is left, or choose another RUNS folder"
            )),
            Self::Damaged { .. } => {
                Some("sweep the run again: without the damaged line it counts as not done".to_owned())
            }
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
    /// Further such lines of a file.
    More {
        /// The file.
        path: PathBuf,
        /// How many.
        lines: u64,
    },
    /// Something with the name of a record file that is none.
    NoFile {
        /// The folder, pipe or device.
        path: PathBuf,
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
                    text::path(path)
                )
            }
            Self::Corrupt { path, line, reason } => {
                write!(f, "{}:{line}: not a record, ignored: {}", text::path(path), text::name(reason))
            }
            Self::More { path, lines } => {
                write!(f, "{}: {lines} more lines are not records, ignored", text::path(path))
            }
            Self::NoFile { path } => {
                write!(f, "{}: not a regular file, ignored", text::path(path))
            }
            Self::Cache { path, reason } => {
                write!(
                    f,
                    "{}: not the manifest of a cache, ignored: {}",
                    text::path(path),
                    text::name(reason)
                )
            }
            Self::Unreadable { path, line, reason } => {
                write!(
                    f,
                    "{}:{line}: the rest of the file cannot be read: {}",
                    text::path(path),
                    text::name(reason)
                )
            }
        }
    }
}
