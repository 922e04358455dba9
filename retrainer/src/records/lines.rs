//! Reads the records of one file line by line, and says what it skipped.

use super::{
    error::{RecordError, Warning},
    record::{FORMAT_VERSION, RunRecord, Status},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// The record files of a RUNS folder (`*.jsonl`, `*.jsonl.zst`) in file-name order; a file stands for itself.
pub(super) fn files(runs: &Path) -> Result<Vec<PathBuf>, RecordError> {
    if runs.is_file() {
        return Ok(vec![runs.to_owned()]);
    }
    let entries = fs::read_dir(runs).map_err(RecordError::io("read", runs))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(RecordError::io("read", runs))?.path();
        let plain = if is_compressed(&path) { path.with_extension("") } else { path.clone() };
        if plain.extension() == Some(OsStr::new("jsonl")) {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn is_compressed(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("zst"))
}

/// Calls `visit(line number, record)` for every record of a file whose line number is `wanted`; others are not parsed.
///
/// # Errors
/// [`RecordError`] when the file cannot be opened; damage inside becomes warnings.
pub(super) fn for_each<P: DeserializeOwned>(
    path: &Path,
    warnings: &mut Vec<Warning>,
    wanted: impl Fn(u64) -> bool,
    mut visit: impl FnMut(u64, RunRecord<P>),
) -> Result<(), RecordError> {
    let file = File::open(path).map_err(RecordError::io("read", path))?;
    let reader: Box<dyn Read> = if is_compressed(path) {
        Box::new(zstd::Decoder::new(file).map_err(RecordError::io("read", path))?)
    } else {
        Box::new(file)
    };
    let mut reader = BufReader::with_capacity(1 << 20, reader);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        match reader.read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                warnings.push(Warning::Unreadable { path: path.to_owned(), line, reason: error.to_string() });
                break;
            }
        }
        if !wanted(line) {
            continue;
        }
        match parse(&bytes) {
            Ok(Some(record)) => visit(line, record),
            Ok(None) => {}
            Err(_) if bytes.last() != Some(&b'\n') => {
                warnings.push(Warning::Torn { path: path.to_owned(), line });
            }
            Err(reason) => warnings.push(Warning::Corrupt { path: path.to_owned(), line, reason }),
        }
    }
    Ok(())
}

/// The record of a line; `None` of a blank one.
fn parse<P: DeserializeOwned>(line: &[u8]) -> Result<Option<RunRecord<P>>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let record = serde_json::from_slice::<RunRecord<P>>(line).map_err(|error| match newer_format(line) {
        Some(format) => format!("format {format} is newer than {FORMAT_VERSION}, update this program"),
        None => error.to_string(),
    })?;
    if record.status == Status::Ok && record.metrics.last.is_none() {
        return Err("status is `ok` but `metrics.last` is missing".to_owned());
    }
    Ok(Some(record))
}

/// The format version of a line that this version cannot read, when it is a later one.
fn newer_format(line: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Line {
        versions: Versions,
    }
    #[derive(Deserialize)]
    struct Versions {
        format: u32,
    }
    let format = serde_json::from_slice::<Line>(line).ok()?.versions.format;
    (format > FORMAT_VERSION).then_some(format)
}
