//! What sweeps were asked for, beside what they recorded: `RUNS/sweeps/DIGEST.json.zst`, and how their work is dealt to several
//! processes: `RUNS/partitions.json`.

use super::error::RecordError;
use files::{FileError, atomic, regular};
use program::partition::{MOST_PARTS, Numbering};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    fs,
    io::{BufReader, Read},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

const SWEEPS: &str = "sweeps";
const PARTITIONS: &str = "partitions.json";

/// Bytes of a list of heads, at most, packed and not: ten million heads have fewer.
const LONGEST: u64 = 1 << 30;

/// A head that a sweep was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedHead {
    /// Name of the run.
    pub run_id: Box<str>,
    /// Name of the method.
    pub method: Cow<'static, str>,
    /// The part that trains it, counted from 0.
    pub part: usize,
}

/// A grid on a cache, as the process that began it planned it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Key of the feature cache.
    pub cache_key: String,
    /// Where it was, a hint for people.
    pub cache: String,
    /// To how many parts the work was dealt.
    pub parts: NonZeroUsize,
    /// The heads.
    pub heads: Vec<AskedHead>,
}

impl Asked {
    /// Keeps it; processes of the same grid write the same file, once.
    ///
    /// # Errors
    /// [`RecordError::File`] when it cannot be written.
    pub fn keep(&self, runs: &Path) -> Result<(), RecordError> {
        let folder = runs.join(SWEEPS);
        fs::create_dir_all(&folder).map_err(|source| FileError::io("create", &folder, source))?;
        let text = serde_json::to_vec(self)
            .map_err(|source| RecordError::Encode { run_id: self.cache_key.clone(), source })?;
        let digest = blake3::hash(&text).to_hex();
        let path = folder.join(format!("{}.json.zst", digest.get(..32).unwrap_or_default()));
        if Self::parse(&path).is_ok_and(|known| known == *self) {
            return Ok(());
        }
        let packed =
            zstd::encode_all(text.as_slice(), 0).map_err(|source| FileError::io("pack", &path, source))?;
        Ok(atomic::write_atomic(&path, &packed)?)
    }

    /// All that RUNS knows of.
    ///
    /// # Errors
    /// [`RecordError::Asked`] for a file that cannot be read: without it nobody knows what is missing.
    pub fn read(runs: &Path) -> Result<Vec<Self>, RecordError> {
        let Ok(entries) = fs::read_dir(runs.join(SWEEPS)) else { return Ok(Vec::new()) };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "zst"));
        paths.sort();
        let read = |path: PathBuf| Self::parse(&path).map_err(|reason| RecordError::Asked { path, reason });
        paths.into_iter().map(read).collect()
    }

    fn parse(path: &Path) -> Result<Self, String> {
        let file = regular::open(path).map_err(|error| error.to_string())?;
        let unpacked = zstd::Decoder::new(file).map_err(|error| error.to_string())?;
        serde_json::from_reader(BufReader::new(unpacked.take(LONGEST))).map_err(|error| error.to_string())
    }
}

/// How the parts of RUNS are numbered: as the first process said that began with a partition, whatever an array that is submitted
/// again says of its size.
///
/// # Errors
/// [`RecordError::File`] where it can neither be read nor written, [`RecordError::Partitions`] for a file that says nothing.
pub fn numbering(runs: &Path, own: impl FnOnce() -> Numbering) -> Result<Numbering, RecordError> {
    if let Some(known) = known_numbering(runs)? {
        return Ok(known);
    }
    let own = own();
    let kept = Kept { first: own.first, step: own.step, of: own.of };
    fs::create_dir_all(runs).map_err(|source| FileError::io("create", runs, source))?;
    let path = runs.join(PARTITIONS);
    let text = serde_json::to_vec(&kept)
        .map_err(|source| RecordError::Encode { run_id: PARTITIONS.to_owned(), source })?;
    if atomic::write_new(&path, &text)? {
        return Ok(own);
    }
    // Another process was faster.
    Ok(known_numbering(runs)?.unwrap_or(own))
}

/// The numbering that RUNS has; `None` before the first process.
///
/// # Errors
/// [`RecordError::Partitions`] for a file that cannot be read.
pub fn known_numbering(runs: &Path) -> Result<Option<Numbering>, RecordError> {
    let path = runs.join(PARTITIONS);
    if fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    let bad = |reason: String| RecordError::Partitions { path: path.clone(), reason };
    let bytes = regular::read_at_most(&path, 10_000).map_err(|error| bad(error.to_string()))?;
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    if kept.step == 0 {
        return Err(bad("its step is 0".to_owned()));
    }
    if kept.of.get() > MOST_PARTS {
        return Err(bad(format!("{} parts, expected at most {MOST_PARTS}", kept.of)));
    }
    Ok(Some(Numbering { first: kept.first, step: kept.step, of: kept.of }))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    first: u64,
    step: u64,
    of: NonZeroUsize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four() -> Numbering {
        Numbering::from_one(NonZeroUsize::new(4).unwrap())
    }

    #[test]
    fn the_first_process_numbers_the_parts() {
        let runs = tempfile::tempdir().unwrap();
        assert_eq!(known_numbering(runs.path()).unwrap(), None);
        assert_eq!(numbering(runs.path(), four).unwrap(), four());
        let other = || Numbering { first: 0, step: 1, of: NonZeroUsize::new(2).unwrap() };
        assert_eq!(numbering(runs.path(), other).unwrap(), four());
        for text in ["", "{}", r#"{"first":1,"step":0,"of":4}"#, r#"{"first":1,"step":1,"of":0}"#] {
            fs::write(runs.path().join(PARTITIONS), text).unwrap();
            assert!(matches!(numbering(runs.path(), four), Err(RecordError::Partitions { .. })), "{text}");
        }
    }

    #[test]
    fn what_was_asked_comes_back_once_and_damage_is_an_error_until_it_is_mended() {
        let runs = tempfile::tempdir().unwrap();
        let head = |number: usize| AskedHead {
            run_id: format!("{number:032x}").into(),
            method: "lort".into(),
            part: number % 4,
        };
        let asked = Asked {
            cache_key: "key".to_owned(),
            cache: "caches/mine".to_owned(),
            parts: four().of,
            heads: (0..9).map(head).collect(),
        };
        asked.keep(runs.path()).unwrap();
        asked.keep(runs.path()).unwrap();
        assert_eq!(Asked::read(runs.path()).unwrap(), std::slice::from_ref(&asked));
        // The next sweep mends what is damaged.
        let file = fs::read_dir(runs.path().join("sweeps")).unwrap().next().unwrap().unwrap().path();
        for damage in ["", "junk"] {
            fs::write(&file, damage).unwrap();
            assert!(matches!(Asked::read(runs.path()), Err(RecordError::Asked { .. })), "{damage}");
            asked.keep(runs.path()).unwrap();
            assert_eq!(Asked::read(runs.path()).unwrap(), std::slice::from_ref(&asked));
        }
    }
}
