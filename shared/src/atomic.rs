//! Files that are whole or absent: write beside, fsync, rename.

use crate::error::CacheError;
use std::{
    fs::{File, OpenOptions, Permissions},
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};
use tempfile::NamedTempFile;

/// A temporary file in the folder of `path`, to be [`persist`]ed there; locked, so that no other process takes it for a
/// leftover ([`remove_leftovers`]). Who may read it is decided as for every new file: by the umask.
///
/// # Errors
/// [`CacheError::Io`].
pub fn temporary_beside(path: &Path) -> Result<NamedTempFile, CacheError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    loop {
        let file = tempfile::Builder::new()
            .prefix(".")
            .suffix(".tmp")
            // Temporary files are private if nothing is said; what they become is an ordinary file.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|source| CacheError::io("create a temporary file beside", path, source))?;
        // Where a file system has no locks, nothing is taken for a leftover either. With locks, another process may have
        // removed the file before it was locked.
        if file.as_file().lock().is_err() || file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes the temporary files in a folder whose writer was killed; those that are being written are locked and stay.
///
/// # Errors
/// [`CacheError::Io`] for a folder that cannot be read.
pub fn remove_leftovers(folder: &Path) -> Result<(), CacheError> {
    let entries = std::fs::read_dir(folder).map_err(|source| CacheError::io("read", folder, source))?;
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with(".tmp")) {
        if let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // Still locked while it goes.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Flushes a temporary file to the disk and renames it to `path`; a map of the file that was there stays valid.
///
/// # Errors
/// [`CacheError::Io`]; the temporary file is removed then.
pub fn persist(file: NamedTempFile, path: &Path) -> Result<(), CacheError> {
    settle(&file, path)?;
    file.persist(path).map_err(|error| CacheError::io("write", path, error.error))?;
    sync_folder(path);
    Ok(())
}

/// As [`persist`], but a file that is there stays, and the temporary one is removed; whether it became `path`.
///
/// # Errors
/// [`CacheError::Io`]; the temporary file is removed then.
pub fn persist_new(file: NamedTempFile, path: &Path) -> Result<bool, CacheError> {
    settle(&file, path)?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        // Some file systems can only rename over what is there.
        Err(error) if !path.exists() => {
            error.file.persist(path).map_err(|error| CacheError::io("write", path, error.error))?;
        }
        Err(error) => return Err(CacheError::io("write", path, error.error)),
    }
    sync_folder(path);
    Ok(true)
}

fn settle(file: &NamedTempFile, path: &Path) -> Result<(), CacheError> {
    file.as_file().sync_all().map_err(|source| CacheError::io("write", path, source))
}

/// The rename itself must reach the disk; some file systems cannot sync a folder, which is no reason to fail.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
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

/// Writes a whole file where there is none; whether it did.
///
/// # Errors
/// [`CacheError::Io`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, CacheError> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes).map_err(|source| CacheError::io("write", path, source))?;
    persist_new(file, path)
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
    fn a_written_file_has_the_mode_of_any_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let [atomic, new, plain] = ["atomic", "new", "plain"].map(|name| folder.path().join(name));
        write_atomic(&atomic, b"x").unwrap();
        write_new(&new, b"x").unwrap();
        std::fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!((mode(&atomic), mode(&new)), (mode(&plain), mode(&plain)));
    }

    #[test]
    fn a_file_that_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("first");
        assert!(write_new(&path, b"mine").unwrap());
        assert!(!write_new(&path, b"theirs").unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_go_and_files_that_are_being_written_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard");
        let mut writing = temporary_beside(&path).unwrap();
        writing.write_all(b"whole").unwrap();
        std::fs::write(folder.path().join(".killed.tmp"), b"half").unwrap();
        remove_leftovers(folder.path()).unwrap();
        assert!(!folder.path().join(".killed.tmp").exists());
        persist(writing, &path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
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
