//! Files that are whole or absent: write beside, fsync, rename.

use crate::error::FileError;
use std::{
    ffi::OsStr,
    fs::{File, OpenOptions, Permissions},
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};
use tempfile::{NamedTempFile, TempDir};

/// Names of temporary files and folders: no program of another's and no user has such ones.
const PREFIX: &str = ".longtail-";
const SUFFIX: &str = ".tmp";

/// Random characters between them.
const RANDOM: usize = 12;

/// A temporary file in the folder of `path`, to be [`persist`]ed there; locked, so that no other process takes it for a
/// leftover ([`remove_leftovers`]). Who may read it is decided as for every new file: by the umask.
///
/// # Errors
/// [`FileError::Io`].
pub fn temporary_beside(path: &Path) -> Result<NamedTempFile, FileError> {
    loop {
        let file = builder()
            // Temporary files are private if nothing is said; what they become is an ordinary file.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder_of(path))
            .map_err(|source| FileError::io("create a temporary file beside", path, source))?;
        // Where a file system has no locks, nothing is taken for a leftover either. With locks, another process may have
        // removed the file before it was locked.
        if file.as_file().lock().is_err() || file.path().exists() {
            return Ok(file);
        }
    }
}

/// A folder on its way to a name: removed with all that is in it unless it gets there.
#[derive(Debug)]
pub struct TemporaryFolder {
    folder: TempDir,
    /// As for files: no other process takes it for a leftover.
    _lock: Option<File>,
}

impl TemporaryFolder {
    /// A temporary folder beside `path`, with the mode of any new folder.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn beside(path: &Path) -> Result<Self, FileError> {
        let fail = |source| FileError::io("create a temporary folder beside", path, source);
        loop {
            let folder = builder()
                .permissions(Permissions::from_mode(0o777))
                .tempdir_in(folder_of(path))
                .map_err(fail)?;
            let lock = File::open(folder.path()).ok().filter(|lock| lock.lock().is_ok());
            if lock.is_none() || folder.path().exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Renames the folder to `path`, where nothing or an empty folder may be.
    ///
    /// # Errors
    /// [`FileError::Io`]; the temporary folder is removed then.
    pub fn persist(self, path: &Path) -> Result<(), FileError> {
        std::fs::rename(self.folder.path(), path).map_err(|source| FileError::io("write", path, source))?;
        // Moved away: nothing is left to clean up.
        let _ = self.folder.keep();
        sync_folder(path);
        Ok(())
    }
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    builder
}

/// Whether a name is one that temporary files and folders of these programs have.
pub fn is_temporary(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Removes the temporary files and folders in a folder whose writer was killed; those that are being written are locked and
/// stay, and so does whatever has another name than these programs give.
///
/// # Errors
/// [`FileError::Io`] for a folder that cannot be read.
pub fn remove_leftovers(folder: &Path) -> Result<(), FileError> {
    let entries = std::fs::read_dir(folder).map_err(|source| FileError::io("read", folder, source))?;
    for entry in entries.flatten().filter(|entry| is_temporary(&entry.file_name())) {
        // Still locked while it goes.
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_file() && unlocked(&path).is_some() => drop(std::fs::remove_file(&path)),
            Ok(kind) if kind.is_dir() && unlocked(&path).is_some() => drop(std::fs::remove_dir_all(&path)),
            _ => {}
        }
    }
    Ok(())
}

/// A lock on a file or folder that nobody is writing.
fn unlocked(path: &Path) -> Option<File> {
    File::open(path).ok().filter(|file| file.try_lock().is_ok())
}

/// Flushes a temporary file to the disk and renames it to `path`; a map of the file that was there stays valid.
///
/// # Errors
/// [`FileError::Io`]; the temporary file is removed then.
pub fn persist(file: NamedTempFile, path: &Path) -> Result<(), FileError> {
    settle(&file, path)?;
    file.persist(path).map_err(|error| FileError::io("write", path, error.error))?;
    sync_folder(path);
    Ok(())
}

/// As [`persist`], but a file that is there stays, and the temporary one is removed; whether it became `path`.
///
/// # Errors
/// [`FileError::Io`]; the temporary file is removed then.
pub fn persist_new(file: NamedTempFile, path: &Path) -> Result<bool, FileError> {
    settle(&file, path)?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        // Some file systems can only rename over what is there.
        Err(error) if !path.exists() => {
            error.file.persist(path).map_err(|error| FileError::io("write", path, error.error))?;
        }
        Err(error) => return Err(FileError::io("write", path, error.error)),
    }
    sync_folder(path);
    Ok(true)
}

fn settle(file: &NamedTempFile, path: &Path) -> Result<(), FileError> {
    file.as_file().sync_all().map_err(|source| FileError::io("write", path, source))
}

/// The rename itself must reach the disk; some file systems cannot sync a folder, which is no reason to fail.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
}

/// Writes a whole file, or leaves what was there.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes).map_err(|source| FileError::io("write", path, source))?;
    persist(file, path)
}

/// Writes a whole file where there is none; whether it did.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes).map_err(|source| FileError::io("write", path, source))?;
    persist_new(file, path)
}

/// Appends one line in a single write, so that a kill leaves at most one torn last line.
///
/// # Errors
/// [`FileError::Io`].
pub fn append_line(path: &Path, line: &str) -> Result<(), FileError> {
    let fail = |source| FileError::io("append to", path, source);
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
    file.write_all(format!("{line}\n").as_bytes()).map_err(fail)
}

/// The folder of a path; the current one of a name alone.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("occupied");
        std::fs::create_dir(&target).unwrap();
        assert!(matches!(write_atomic(&target, b"x"), Err(FileError::Io { .. })));
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
        let unpacking = TemporaryFolder::beside(&path).unwrap();
        let at = |name: &str| folder.path().join(name);
        // What a kill leaves, and a user's own files.
        std::fs::write(at(".longtail-0123456789aB.tmp"), b"half").unwrap();
        std::fs::create_dir_all(at(".longtail-0123456789aC.tmp/train.clean")).unwrap();
        let own = ["notes.tmp", ".notes.tmp", ".longtail-notes.tmp", ".longtail-0123456789aB"];
        for name in own {
            std::fs::write(at(name), b"mine").unwrap();
        }
        remove_leftovers(folder.path()).unwrap();
        assert!(!at(".longtail-0123456789aB.tmp").exists() && !at(".longtail-0123456789aC.tmp").exists());
        assert!(own.iter().all(|name| at(name).exists()));
        unpacking.persist(&at("cache")).unwrap();
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
