//! Errors of the operating system, each with path and reason; and what every error of ours can say: a hint.

use crate::text;
use std::{
    error::Error,
    fmt::Write,
    io,
    path::{Path, PathBuf},
};

/// What the user can do about an error.
pub trait Hint {
    /// One sentence of advice, where there is any.
    fn hint(&self) -> Option<String>;
}

/// A file or folder that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("could not {action} `{}`", text::path(path))]
    Io {
        /// What was tried: "open", "write" …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file would be written over one that the same command reads.
    #[error("`{}` is read by this command, and would be overwritten by it", text::path(path))]
    IsInput {
        /// The file.
        path: PathBuf,
    },
    /// Another process is at the same work, and one at a time may be.
    #[error("another process is writing into `{}`", text::path(path))]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

impl FileError {
    /// An error of the operating system at a path.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}

/// What to do about a file that the system does not let grow.
pub const TOO_LARGE: &str =
    "raise the limit on the size of files (`ulimit -f`), then run the same command again";

impl Hint for FileError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Io { action, source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "check the path",
                io::ErrorKind::PermissionDenied if ["open", "read", "map"].contains(action) => {
                    "ask for permission to read it, or copy it to a place of your own"
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "choose a folder that you may write to"
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space, then run the same command again"
                }
                io::ErrorKind::FileTooLarge => TOO_LARGE,
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory if *action == "create" => {
                    "a folder goes there: choose another name, or move the file that is there"
                }
                io::ErrorKind::NotADirectory => "a part of the path is a file: check the path",
                io::ErrorKind::IsADirectory => "it is a folder: give the name of a file",
                io::ErrorKind::OutOfMemory => "end other programs, or use a machine with more memory",
                _ => return None,
            },
            Self::IsInput { .. } => "give `--out` another name",
            Self::InUse { .. } => {
                "wait for it, or stop it and run the same command again: it goes on where that one was"
            }
        };
        Some(text.to_owned())
    }
}

/// An error as the programs print it: `error:`, a `cause:` for each link of the chain, `hint:`; what names in it would do to a
/// terminal is escaped.
pub fn render(error: &dyn Error, hint: Option<String>) -> String {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(link) = cause {
        // Transparent wrappers repeat the message of what they wrap.
        if !text.ends_with(&link.to_string()) {
            let _ = write!(text, "\ncause: {link}");
        }
        cause = link.source();
    }
    if let Some(hint) = hint {
        let _ = write!(text, "\nhint: {hint}");
    }
    text::lines(&text).into_owned()
}
