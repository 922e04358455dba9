//! Locks between the processes that write to one folder.

use super::{CacheWriter, Dump, PARTIAL_FILE};
use crate::{error::CacheError, manifest::MANIFEST_FILE};
use files::FileError;
use std::{
    fs::{File, TryLockError},
    io::ErrorKind,
};

impl CacheWriter {
    /// Keeps other processes out until the file returned is dropped, for what must not be computed twice at once; `None`
    /// where another process has finished the dump meanwhile.
    ///
    /// # Errors
    /// [`FileError::InUse`], [`CacheError::File`].
    pub fn alone(&self) -> Result<Option<File>, CacheError> {
        let path = self.folder.path.join(PARTIAL_FILE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| CacheError::io("open", &path, source))?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(FileError::InUse { path: self.folder.path.clone() }.into()),
            // Where a file system has no locks, the user must see to it.
            Ok(()) | Err(TryLockError::Error(_)) => {
                Ok((!self.folder.path.join(MANIFEST_FILE).exists()).then_some(file))
            }
        }
    }

    /// Keeps [`Dump::take_over`] out until the file returned is dropped; any number of processes may write shards.
    ///
    /// `None` where another process has finished the dump meanwhile, or a file system has no locks.
    ///
    /// # Errors
    /// [`FileError::InUse`] where the dump is being taken over, [`CacheError::File`].
    pub fn together(&self) -> Result<Option<File>, CacheError> {
        let path = self.folder.path.join(PARTIAL_FILE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| CacheError::io("open", &path, source))?,
        };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                return Err(FileError::InUse { path: self.folder.path.clone() }.into());
            }
            Err(TryLockError::Error(_)) => return Ok(None),
            Ok(()) => {}
        }
        // It may have been taken over between the first look and the lock.
        if let Some(there) = Dump::find(&self.folder.path)? {
            there.refuse_other(&self.folder.manifest)?;
        }
        Ok(Some(file))
    }
}
