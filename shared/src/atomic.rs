//! Files that are whole or absent: write beside, fsync, rename.

use crate::error::CacheError;
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};
use tempfile::NamedTempFile;

/// A temporary file in the folder of `path`, to be [`persist`]ed there.
///
/// # Errors
/// [`CacheError::Io`].
pub fn temporary_beside(path: &Path) -> Result<NamedTempFile, CacheError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .tempfile_in(folder)
        .map_err(|source| CacheError::io("create a temporary file beside", path, source))
}

/// Flushes a temporary file to the disk and renames it to `path`; a map of the file that was there stays valid.
///
/// # Errors
/// [`CacheError::Io`]; the temporary file is removed then.
pub fn persist(file: NamedTempFile, path: &Path) -> Result<(), CacheError> {
    use std::os::unix::fs::PermissionsExt;
    let fail = |source| CacheError::io("write", path, source);
    // Temporary files are private; what they become is an ordinary file.
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    // The rename itself must reach the disk; some file systems cannot sync a folder, which is no reason to fail.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Writes a whole file, or leaves what was there.
///
/// # Errors
/// [`CacheError::Io`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes).map_err(|source| CacheError::io("write", path, source))?;
    persist(file, path)
}

/// Appends one line in a single write, so that a kill leaves at most one torn last line.
///
/// # Errors
/// [`CacheError::Io`].
pub fn append_line(path: &Path, line: &str) -> Result<(), CacheError> {
    let fail = |source| CacheError::io("append to", path, source);
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
    file.write_all(format!("{line}\n").as_bytes()).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("occupied");
        std::fs::create_dir(&target).unwrap();
        assert!(matches!(write_atomic(&target, b"x"), Err(CacheError::Io { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn lines_are_appended_and_files_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        write_atomic(&path, b"a\n").unwrap();
        append_line(&path, "b").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\n");
        write_atomic(&path, b"c").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "c");
    }
}
