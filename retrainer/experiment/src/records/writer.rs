//! Appends records to a file of this process.

use super::{error::RecordError, record::RunRecord};
use std::{
    fs::{self, File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A crash of the machine loses at most the records of this time; a crash of the program loses none.
const SYNC_INTERVAL: Duration = Duration::from_secs(5);

/// The record file of one process in a RUNS folder.
///
/// Every record is one `write` of a whole line, so that a killed process tears at most its last line and readers see
/// finished runs at once.
#[derive(Debug)]
pub struct RunWriter {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
    synced: Instant,
}

impl RunWriter {
    /// Creates the folder if needed, and in it `records-<unix time>-<pid>-<random>.jsonl`.
    ///
    /// # Errors
    /// [`RecordError::Io`] when the folder or the file cannot be made: known before the first head is trained.
    pub fn create(dir: &Path) -> Result<Self, RecordError> {
        fs::create_dir_all(dir).map_err(RecordError::io("create", dir))?;
        loop {
            let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let random = RandomState::new().hash_one(0) >> 32;
            let path = dir.join(format!("records-{time}-{}-{random:08x}.jsonl", std::process::id()));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => {
                    // Locked while it is written: no other process takes it for a leftover. One may have removed it before;
                    // where a file system has no locks, nothing is taken for a leftover either.
                    if file.lock().is_err() || path.exists() {
                        remove_leftovers(dir);
                        return Ok(Self { path, file, length: 0, synced: Instant::now() });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(RecordError::io("create", path)(error)),
            }
        }
    }

    /// The file of this process.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one record.
    ///
    /// # Errors
    /// [`RecordError::Io`] when it cannot be written (disk full, read-only); the file keeps all lines before it, and
    /// the record may be appended again.
    pub fn append(&mut self, record: &RunRecord) -> Result<(), RecordError> {
        let mut line = serde_json::to_vec(record)
            .map_err(|source| RecordError::Encode { run_id: record.run_id.clone(), source })?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            // Part of the line may be there: take it back, so that a later line starts on its own.
            let _ = self.file.set_len(self.length);
            return Err(RecordError::io("write", &self.path)(error));
        }
        self.length += line.len() as u64;
        if self.synced.elapsed() >= SYNC_INTERVAL { self.sync() } else { Ok(()) }
    }

    /// Waits until all records are on the disk, and leaves no empty file behind.
    ///
    /// # Errors
    /// [`RecordError::Io`] when the disk does not take them.
    pub fn finish(mut self) -> Result<(), RecordError> {
        self.sync()
    }

    fn sync(&mut self) -> Result<(), RecordError> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(RecordError::io("write", &self.path))
    }
}

/// Removes the empty record files of processes that were killed before their first record; those of processes that are at work
/// are locked and stay.
fn remove_leftovers(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten().filter(|entry| is_own(&entry.file_name().to_string_lossy())) {
        let empty = entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
        if empty
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
            && file.metadata().is_ok_and(|metadata| metadata.len() == 0)
        {
            // Still locked while it goes.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file name is one that [`RunWriter::create`] gives: `records-<unix time>-<pid>-<random>.jsonl`.
fn is_own(name: &str) -> bool {
    let parts = name.strip_prefix("records-").and_then(|name| name.strip_suffix(".jsonl"));
    parts.is_some_and(|parts| {
        let parts: Vec<&str> = parts.split('-').collect();
        parts.len() == 3 && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        if self.length == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{RunStore, testing::record};

    #[test]
    fn every_record_is_a_line_that_readers_see_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let runs = dir.path().join("a/b");
        let mut writer = RunWriter::create(&runs).unwrap();
        for seed in 0..3 {
            writer.append(&record("ce", "{}", seed, 0.5)).unwrap();
            assert_eq!(RunStore::open(&runs).unwrap().runs().len() as u64, seed + 1);
        }
        let name = writer.path().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            name.starts_with("records-") && name.contains(&format!("-{}-", std::process::id())),
            "{name}"
        );
    }

    #[test]
    fn writers_never_share_a_file_and_leave_no_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let writers = [RunWriter::create(dir.path()).unwrap(), RunWriter::create(dir.path()).unwrap()];
        assert_ne!(writers[0].path(), writers[1].path());
        drop(writers);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_another_is_writing_stays() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join("records-1700000000-12-0123abcd.jsonl");
        let (own, full) = (dir.path().join("records-mine.jsonl"), dir.path().join("records-1-2-3.jsonl"));
        fs::write(&left, "").unwrap();
        fs::write(&own, "").unwrap();
        fs::write(&full, "{").unwrap();
        let first = RunWriter::create(dir.path()).unwrap();
        let second = RunWriter::create(dir.path()).unwrap();
        assert!(!left.exists() && own.exists() && full.exists());
        assert!(first.path().exists() && second.path().exists());
    }

    #[test]
    fn a_refused_write_is_a_value_with_path_and_the_lines_before_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create(dir.path()).unwrap();
        writer.append(&record("ce", "{}", 0, 0.5)).unwrap();
        // A handle without write permission refuses as a full disk does.
        let path = writer.path().to_owned();
        writer.file = File::open(&path).unwrap();
        let error = writer.append(&record("ce", "{}", 1, 0.5)).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write `{}`", path.display()));
        writer.file = OpenOptions::new().append(true).open(&path).unwrap();
        writer.append(&record("ce", "{}", 1, 0.5)).unwrap();
        assert_eq!(RunStore::open(dir.path()).unwrap().runs().len(), 2);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_before_any_work() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = RunWriter::create(&file.path().join("runs")).unwrap_err();
        assert!(matches!(error, RecordError::Io { action: "create", .. }), "{error}");
    }
}
