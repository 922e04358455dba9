//! One process at a time in a folder; the lock is on the folder itself and leaves nothing there.

use crate::error::FileError;
use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// Held until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct FolderLock {
    _folder: Option<File>,
}

impl FolderLock {
    /// Makes the folder where it is not there, and keeps every other process out that asks.
    ///
    /// Where a file system has no locks, the user must see to it.
    ///
    /// # Errors
    /// [`FileError::InUse`], [`FileError::Io`].
    pub fn alone(folder: &Path) -> Result<Self, FileError> {
        Self::take(folder, File::try_lock)
    }

    /// As [`FolderLock::alone`], but keeps out only those that want to be alone: for work that processes share.
    ///
    /// # Errors
    /// Those of [`FolderLock::alone`].
    pub fn with_others(folder: &Path) -> Result<Self, FileError> {
        Self::take(folder, File::try_lock_shared)
    }

    fn take(folder: &Path, lock: fn(&File) -> Result<(), TryLockError>) -> Result<Self, FileError> {
        std::fs::create_dir_all(folder).map_err(|source| FileError::io("create", folder, source))?;
        let file = File::open(folder).map_err(|source| FileError::io("open", folder, source))?;
        match lock(&file) {
            Ok(()) => Ok(Self { _folder: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(FileError::InUse { path: folder.to_owned() }),
            Err(TryLockError::Error(_)) => Ok(Self { _folder: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_alone_keeps_others_out_until_the_end() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("new/cache");
        let alone = FolderLock::alone(&folder).unwrap();
        for other in [FolderLock::alone(&folder), FolderLock::with_others(&folder)] {
            assert!(matches!(other, Err(FileError::InUse { .. })), "{other:?}");
        }
        drop(alone);
        let _two = [FolderLock::with_others(&folder).unwrap(), FolderLock::with_others(&folder).unwrap()];
        assert!(matches!(FolderLock::alone(&folder), Err(FileError::InUse { .. })));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "it leaves nothing");
    }
}
