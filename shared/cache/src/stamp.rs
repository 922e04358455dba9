//! Whether files are still those that were opened.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What the system tells of files at one time: enough to notice that one was written to, replaced or removed since.
///
/// Mapped files are read while others may write them. Their bytes cannot be compared at that cost; their place, length and
/// time of the last write can.
#[derive(Clone, Debug)]
pub(crate) struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

/// Device, inode, bytes, and seconds and nanoseconds of the last write.
type Stamp = (u64, u64, u64, i64, i64);

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

impl Stamps {
    /// What the system tells now; a file that is not there stays so.
    pub(crate) fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect())
    }

    /// The first file that is another now.
    pub(crate) fn first_change(&self) -> Option<&Path> {
        self.0.iter().find(|(path, then)| stamp(path) != *then).map(|(path, _)| path.as_path())
    }
}
