//! Reads the records of one file line by line, and says what it skipped.
//!
//! A RUNS folder may come from anywhere: what a file claims costs bounded memory and time, whatever it claims.

use super::{
    error::{RecordError, Warning},
    record::{FORMAT_VERSION, RunRecord, Status},
};
use crate::protocol::Protocol;
use files::regular;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
};

/// Bytes of a line, at most: a record of a million classes has fewer.
const LONGEST_LINE: usize = 1 << 28;

/// How many times its size a compressed file may hold; records hold 5 to 50 times it.
const MOST_GROWTH: u64 = 1000;

/// Lines of a file that are warned of one by one; the others are counted.
const WARNED: u64 = 10;

/// The record files of a RUNS folder (`*.jsonl`, `*.jsonl.zst`) in file-name order; a file stands for itself. What has such a
/// name and is no regular file is a warning: reading a pipe would wait for ever.
pub(super) fn files(runs: &Path, warnings: &mut Vec<Warning>) -> Result<Vec<PathBuf>, RecordError> {
    let metadata = fs::metadata(runs).map_err(RecordError::io("read", runs))?;
    if metadata.is_file() {
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
    files.retain(|path| {
        // One that cannot be looked at is an error when it is opened.
        let regular = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
        if !regular {
            warnings.push(Warning::NoFile { path: path.clone() });
        }
        regular
    });
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
    let mut reader = open(path).map_err(RecordError::io("read", path))?;
    let mut skipped = 0;
    let mut bytes = Vec::new();
    for line in 1.. {
        let got = match next_line(&mut reader, &mut bytes) {
            Ok(Line::End) => break,
            Ok(got) => got,
            Err(error) => {
                warnings.push(Warning::Unreadable { path: path.to_owned(), line, reason: error.to_string() });
                break;
            }
        };
        if !wanted(line) {
            continue;
        }
        let reason = match (got, parse(&bytes)) {
            (Line::TooLong, _) => format!("it is longer than {} MB", LONGEST_LINE / 1_000_000),
            (_, Ok(None)) => continue,
            (_, Ok(Some(record))) => {
                visit(line, record);
                continue;
            }
            (_, Err(_)) if bytes.last() != Some(&b'\n') => {
                warnings.push(Warning::Torn { path: path.to_owned(), line });
                continue;
            }
            (_, Err(reason)) => reason,
        };
        skipped += 1;
        if skipped <= WARNED {
            warnings.push(Warning::Corrupt { path: path.to_owned(), line, reason });
        }
    }
    if skipped > WARNED {
        warnings.push(Warning::More { path: path.to_owned(), lines: skipped - WARNED });
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<BufReader<Box<dyn Read>>> {
    let file = regular::open(path)?;
    let reader: Box<dyn Read> = if is_compressed(path) {
        let most = file.metadata()?.len().saturating_mul(MOST_GROWTH);
        Box::new(Limited { inner: zstd::Decoder::new(file)?, left: most })
    } else {
        Box::new(file)
    };
    Ok(BufReader::with_capacity(1 << 20, reader))
}

/// A reader that fails where it would give more bytes than it may.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(format!("it grows to more than {MOST_GROWTH} times its compressed size"))
        })?;
        Ok(count)
    }
}

/// What [`next_line`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Nothing more.
    End,
    /// A line, with its line end where it has one.
    Whole,
    /// A line of more than [`LONGEST_LINE`] bytes, which is passed over.
    TooLong,
}

/// Reads a line into `bytes`, which never become more than [`LONGEST_LINE`].
fn next_line(reader: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<Line> {
    bytes.clear();
    let mut found = Line::End;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = buffer.get(..end.map_or(buffer.len(), |end| end + 1)).unwrap_or_default();
        if part.is_empty() {
            return Ok(found);
        }
        if found == Line::TooLong || bytes.len() + part.len() > LONGEST_LINE {
            found = Line::TooLong;
            *bytes = Vec::new();
        } else {
            found = Line::Whole;
            bytes.extend_from_slice(part);
        }
        let taken = part.len();
        reader.consume(taken);
        if end.is_some() {
            return Ok(found);
        }
    }
}

/// The record of a line; `None` of a blank one.
fn parse<P: DeserializeOwned>(line: &[u8]) -> Result<Option<RunRecord<P>>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let newer = |format: u32| format!("format {format} is newer than {FORMAT_VERSION}, update this program");
    let record = serde_json::from_slice::<RunRecord<P>>(line)
        .map_err(|error| newer_format(line).map_or_else(|| error.to_string(), newer))?;
    if record.versions.format > FORMAT_VERSION {
        return Err(newer(record.versions.format));
    }
    if record.status == Status::Ok && record.metrics.get(Protocol::Last).is_none() {
        return Err("status is `ok` but `metrics.last` is missing".to_owned());
    }
    record.check()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{RunStore, testing::record};
    use std::{fs::File, io::Write};

    fn line(record: &RunRecord) -> String {
        serde_json::to_string(record).unwrap() + "\n"
    }

    #[test]
    fn a_line_of_any_length_takes_bounded_memory_and_the_next_one_is_read() {
        let long = io::repeat(b'x').take(3 * LONGEST_LINE as u64);
        let mut reader = BufReader::with_capacity(1 << 20, long.chain(&b"\nnext\nlast"[..]));
        let mut bytes = Vec::new();
        assert_eq!(next_line(&mut reader, &mut bytes).unwrap(), Line::TooLong);
        assert!(bytes.capacity() <= LONGEST_LINE);
        for (found, text) in [(Line::Whole, "next\n"), (Line::Whole, "last"), (Line::End, "")] {
            assert_eq!(next_line(&mut reader, &mut bytes).unwrap(), found);
            assert_eq!(bytes, text.as_bytes());
        }
    }

    #[test]
    fn a_compressed_file_may_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl.zst");
        let mut encoder = zstd::Encoder::new(File::create(&path).unwrap(), 1).unwrap();
        // Blank lines: nothing to warn of but their number.
        let blank = vec![b'\n'; 1 << 20];
        for _ in 0..64 {
            encoder.write_all(&blank).unwrap();
        }
        encoder.finish().unwrap();
        let mut warnings = Vec::new();
        for_each::<serde::de::IgnoredAny>(&path, &mut warnings, |_| true, |_, _| ()).unwrap();
        let [Warning::Unreadable { reason, .. }] = &warnings[..] else { panic!("{warnings:?}") };
        assert_eq!(reason, "it grows to more than 1000 times its compressed size");
    }

    #[test]
    fn many_damaged_lines_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        fs::write(&path, "{\n".repeat(1000)).unwrap();
        let mut warnings = Vec::new();
        for_each::<serde::de::IgnoredAny>(&path, &mut warnings, |_| true, |_, _| ()).unwrap();
        assert_eq!(warnings.len(), 11);
        assert_eq!(warnings.last(), Some(&Warning::More { path, lines: 990 }));
    }

    #[test]
    fn torn_and_corrupt_lines_are_warnings_with_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let good = line(&record("ce", "{}", 0, 0.5));
        let no_last = good.replace("\"last\"", "\"lost\"");
        let newer = r#"{"versions":{"format":9},"shape":"unknown"}"#;
        let mut bytes = format!("{good}{{\"run_id\": 3}}\n\n{no_last}{newer}\n").into_bytes();
        bytes.extend([0xff, 0xfe, b'\n']);
        bytes.extend(&good.as_bytes()[..40]);
        fs::write(&path, bytes).unwrap();
        let store = RunStore::open(dir.path()).unwrap();
        assert_eq!(store.runs().len(), 1);
        let warnings: Vec<_> = store.warnings().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(warnings.join("\n").replace(path.to_str().unwrap(), "a.jsonl"), @"
        a.jsonl:2: not a record, ignored: invalid type: integer `3`, expected a string at line 1 column 12
        a.jsonl:4: not a record, ignored: status is `ok` but `metrics.last` is missing
        a.jsonl:5: not a record, ignored: format 9 is newer than 1, update this program
        a.jsonl:6: not a record, ignored: expected value at line 1 column 1
        a.jsonl:7: unfinished last line of an interrupted process, ignored
        ");
    }

    #[test]
    fn forged_numbers_repeated_keys_and_later_formats_are_skipped_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let good = line(&record("ce", r#"{"lr":0.1}"#, 0, 0.5));
        let forge = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}: {good}");
            good.replacen(from, to, 1)
        };
        let forged = [
            forge(r#""top1.all":0.5"#, r#""top1.all":1.5"#),
            forge(r#""top1.few":0.5"#, r#""top1.few":-1e300"#),
            forge(r#""epoch":20"#, r#""epoch":-1"#),
            forge(r#""epoch":20"#, r#""epoch":1e99"#),
            forge(r#""seconds":0.5"#, r#""seconds":-3"#),
            forge(r#""seed":0"#, r#""seed":0,"seed":1"#),
            forge(r#"{"lr":0.1}"#, r#"{"lr":0.1,"lr":0.2}"#),
            forge(r#"{"lr":0.1}"#, r#"{"lr":[0.1]}"#),
            forge(r#""top1.all":0.5"#, r#""top1.all":0.5,"top1.all":0.9"#),
            forge(r#""format":1"#, r#""format":2"#),
        ];
        fs::write(&path, forged.concat() + &good).unwrap();
        let store = RunStore::open(dir.path()).unwrap();
        assert_eq!(store.runs().len(), 1);
        let warnings: Vec<_> = store.warnings().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(warnings.join("\n").replace(path.to_str().unwrap(), "a.jsonl"), @"
        a.jsonl:1: not a record, ignored: `top1.all` is 1.5, expected a fraction from 0 to 1
        a.jsonl:2: not a record, ignored: `top1.few` is -1e300, expected a fraction from 0 to 1
        a.jsonl:3: not a record, ignored: invalid value: integer `-1`, expected u32 at line 1 column 191
        a.jsonl:4: not a record, ignored: invalid type: floating point `1e+99`, expected u32 at line 1 column 193
        a.jsonl:5: not a record, ignored: `seconds` is -3, expected at least 0
        a.jsonl:6: not a record, ignored: duplicate field `seed` at line 1 column 154
        a.jsonl:7: not a record, ignored: duplicate parameter `lr` at line 1 column 147
        a.jsonl:8: not a record, ignored: parameter `lr` is no number, string or boolean at line 1 column 140
        a.jsonl:9: not a record, ignored: duplicate metric `top1.all` at line 1 column 271
        a.jsonl:10: not a record, ignored: format 2 is newer than 1, update this program
        ");
    }
}
