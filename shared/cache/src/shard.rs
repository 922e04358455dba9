//! The bytes of a shard: a safetensors file whose big matrix is aligned and can be streamed.
//!
//! ```text
//! 8 bytes     length of the header, little endian
//! header      JSON, padded with spaces until the features start at a multiple of 64 bytes
//! labels      [n] i64
//! sample_ids  [n] i64
//! features    [n, D] f32, f16 or bf16
//! ```
//!
//! Wide types come first, as in every safetensors file, so that Python's readers find each tensor aligned too.

use crate::{classes::ClassId, dtype::Dtype, error::CacheError, manifest::FileInfo};
use files::{atomic, mmap::FileMap};
use half::{bf16, f16, slice::HalfFloatSliceExt};
use safetensors::SafeTensors;
use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tempfile::NamedTempFile;

#[cfg(target_endian = "big")]
compile_error!("shards are little endian and mapped as they are");

/// Features start at a multiple of this many bytes in the file.
const ALIGNMENT: usize = 64;

/// BLAKE3 of the shards that this process has written, by path: nobody has to read them again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests(Arc<Mutex<BTreeMap<PathBuf, String>>>);

impl Digests {
    /// The digest of a shard; `None` where another process wrote it.
    pub(crate) fn of(&self, path: &Path) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// Keeps a digest, or forgets an older one.
    fn set(&self, path: &Path, digest: Option<String>) {
        let mut digests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match digest {
            Some(digest) => digests.insert(path.to_owned(), digest),
            None => digests.remove(path),
        };
    }
}

/// A temporary file that is digested on its way to the disk.
#[derive(Debug)]
struct DigestedFile {
    file: NamedTempFile,
    hasher: blake3::Hasher,
}

impl Write for DigestedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Streams the rows of one shard to a temporary file that becomes the shard when it is whole.
#[derive(Debug)]
pub struct ShardWriter {
    path: PathBuf,
    file: BufWriter<DigestedFile>,
    dtype: Dtype,
    dim: usize,
    rows: usize,
    written: usize,
    buffer: Vec<u8>,
    /// What the shard must come out as, to take the place of a damaged one.
    replaces: Option<FileInfo>,
    digests: Digests,
}

impl ShardWriter {
    /// Starts a shard of `labels.len()` rows of `dim` features.
    ///
    /// # Errors
    /// [`CacheError::File`]; [`CacheError::WrongRows`] where labels and ids differ in number or the size overflows.
    pub fn create(
        path: &Path,
        dtype: Dtype,
        dim: usize,
        labels: &[ClassId],
        sample_ids: &[i64],
    ) -> Result<Self, CacheError> {
        let rows = labels.len();
        if sample_ids.len() != rows {
            return Err(CacheError::WrongRows {
                path: path.to_owned(),
                expected: rows,
                got: sample_ids.len(),
            });
        }
        let header = header(rows, dim, dtype).ok_or_else(|| CacheError::WrongRows {
            path: path.to_owned(),
            expected: rows,
            got: usize::MAX,
        })?;
        let file = DigestedFile { file: atomic::temporary_beside(path)?, hasher: blake3::Hasher::new() };
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let label_bytes = labels.iter().flat_map(|label| i64::from(label.0).to_le_bytes());
        let id_bytes = sample_ids.iter().flat_map(|id| id.to_le_bytes());
        let head: Vec<u8> = header.into_iter().chain(label_bytes).chain(id_bytes).collect();
        file.write_all(&head).map_err(|source| CacheError::io("write", path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            dtype,
            dim,
            rows,
            written: 0,
            buffer: Vec::new(),
            replaces: None,
            digests: Digests::default(),
        })
    }

    /// Lets the shard take the place of a damaged one, if it comes out with that checksum.
    pub(crate) fn replacing(self, replaces: Option<FileInfo>) -> Self {
        Self { replaces, ..self }
    }

    /// Keeps the shard's digest there.
    pub(crate) fn digested(self, digests: Digests) -> Self {
        Self { digests, ..self }
    }

    /// Appends whole rows, converted to the shard's format (round to nearest even).
    ///
    /// # Errors
    /// [`CacheError::NonFinite`] for a number that is not finite in that format, [`CacheError::WrongRows`] for too many
    /// or broken rows, [`CacheError::File`].
    pub fn push(&mut self, features: &[f32]) -> Result<(), CacheError> {
        let got = self.written.saturating_add(features.len());
        let expected = self.rows * self.dim;
        if got > expected || !features.len().is_multiple_of(self.dim.max(1)) {
            return Err(CacheError::WrongRows { path: self.path.clone(), expected, got });
        }
        self.buffer.clear();
        let finite = match self.dtype {
            Dtype::F32 => {
                self.buffer.extend_from_slice(bytemuck::cast_slice(features));
                features.iter().position(|number| !number.is_finite())
            }
            Dtype::F16 => {
                let mut converted = vec![f16::ZERO; features.len()];
                converted.convert_from_f32_slice(features);
                self.buffer.extend_from_slice(bytemuck::cast_slice(&converted));
                converted.iter().position(|number| !number.is_finite())
            }
            Dtype::Bf16 => {
                let mut converted = vec![bf16::ZERO; features.len()];
                converted.convert_from_f32_slice(features);
                self.buffer.extend_from_slice(bytemuck::cast_slice(&converted));
                converted.iter().position(|number| !number.is_finite())
            }
        };
        if let Some(position) = finite {
            return Err(CacheError::NonFinite {
                path: self.path.clone(),
                row: (self.written + position) / self.dim,
            });
        }
        self.written = got;
        self.file.write_all(&self.buffer).map_err(|source| CacheError::io("write", &self.path, source))
    }

    /// Makes the shard visible under its name, whole and on disk; one that is there already stays.
    ///
    /// # Errors
    /// [`CacheError::WrongRows`] where rows are missing, [`CacheError::OtherBytes`] for a repaired shard that came out
    /// otherwise than it was, [`CacheError::File`].
    pub fn finish(self) -> Result<(), CacheError> {
        let expected = self.rows * self.dim;
        if self.written != expected {
            return Err(CacheError::WrongRows { path: self.path, expected, got: self.written });
        }
        let DigestedFile { file, hasher } = self
            .file
            .into_inner()
            .map_err(|error| CacheError::io("write", &self.path, error.into_error()))?;
        let got = hasher.finalize().to_hex().to_string();
        let Some(before) = self.replaces else {
            // The one that was there first stays, whatever its bytes are.
            let ours = atomic::persist_new(file, &self.path)?;
            self.digests.set(&self.path, ours.then_some(got));
            return Ok(());
        };
        if got != before.blake3 {
            return Err(CacheError::OtherBytes { path: self.path, expected: before.blake3, got });
        }
        Ok(atomic::persist(file, &self.path)?)
    }
}

/// The length field and the padded header; `None` where a size overflows.
fn header(rows: usize, dim: usize, dtype: Dtype) -> Option<Vec<u8>> {
    let ids = rows.checked_mul(8)?;
    let features = rows.checked_mul(dim)?.checked_mul(dtype.bytes())?;
    let end = ids.checked_mul(2)?.checked_add(features)?;
    let tensor = |dtype: safetensors::Dtype, shape: &[usize], from: usize, to: usize| serde_json::json!({ "dtype": dtype.to_string(), "shape": shape, "data_offsets": [from, to] });
    let mut json = serde_json::json!({
        "__metadata__": { "format": "pt" },
        "labels": tensor(safetensors::Dtype::I64, &[rows], 0, ids),
        "sample_ids": tensor(safetensors::Dtype::I64, &[rows], ids, 2 * ids),
        "features": tensor(dtype.safetensors(), &[rows, dim], 2 * ids, end),
    })
    .to_string();
    while !(8 + json.len() + 2 * ids).is_multiple_of(ALIGNMENT) {
        json.push(' ');
    }
    let mut bytes = u64::try_from(json.len()).ok()?.to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    Some(bytes)
}

/// An open, checked shard.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) path: PathBuf,
    pub(crate) rows: usize,
    map: FileMap,
    labels: Range<usize>,
    sample_ids: Range<usize>,
    features: Range<usize>,
    dtype: Dtype,
}

/// What a shard must hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    pub(crate) dtype: Dtype,
}

impl Shard {
    /// Maps and checks a shard: header, sizes, types; not the labels' range, not the checksum.
    ///
    /// No page but the header's is read, so that opening costs the same at any size.
    pub(crate) fn open(path: &Path, expected: Expected) -> Result<Self, CacheError> {
        let map = FileMap::open(path)?;
        let bytes = map.bytes();
        let invalid = |reason: String| CacheError::InvalidHeader { path: path.to_owned(), reason };
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| invalid(error.to_string()))?;
        let wrong = |tensor: &str, expected: String, got: String| CacheError::WrongTensor {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            expected,
            got,
        };
        // `deserialize` has checked that every tensor lies inside the file.
        let place = |data: &[u8]| {
            let start = data.as_ptr().addr() - bytes.as_ptr().addr();
            start..start + data.len()
        };
        let integers = |name: &str| {
            let shape = format!("I64 [{}]", expected.rows);
            let tensor = tensors.tensor(name).map_err(|_| wrong(name, shape.clone(), "absent".to_owned()))?;
            if tensor.dtype() != safetensors::Dtype::I64 || tensor.shape() != [expected.rows] {
                return Err(wrong(name, shape, format!("{} {:?}", tensor.dtype(), tensor.shape())));
            }
            Ok(place(tensor.data()))
        };
        let (labels, sample_ids) = (integers("labels")?, integers("sample_ids")?);
        let shape = [expected.rows, expected.dim];
        let features = tensors
            .tensor("features")
            .map_err(|_| wrong("features", format!("{shape:?}"), "absent".to_owned()))?;
        if Dtype::from_safetensors(features.dtype()) != Some(expected.dtype) {
            return Err(CacheError::DtypeMismatch {
                path: path.to_owned(),
                expected: expected.dtype,
                got: features.dtype().to_string().to_lowercase(),
            });
        }
        if features.shape() != shape {
            return Err(wrong("features", format!("{shape:?}"), format!("{:?}", features.shape())));
        }
        let features = place(features.data());
        if !features.start.is_multiple_of(ALIGNMENT) {
            return Err(invalid(format!(
                "features start at byte {}, no multiple of {ALIGNMENT}",
                features.start
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            rows: expected.rows,
            map,
            labels,
            sample_ids,
            features,
            dtype: expected.dtype,
        })
    }

    /// The labels, checked against the number of classes.
    pub(crate) fn labels(&self, classes: usize) -> Result<Vec<ClassId>, CacheError> {
        let stored = self.label_bytes().as_chunks::<8>().0;
        let class = |bytes: &[u8; 8]| {
            u32::try_from(i64::from_le_bytes(*bytes)).ok().filter(|&k| (k as usize) < classes)
        };
        // Two plain passes are faster than one that may stop at each row.
        if let Some(row) = stored.iter().position(|bytes| class(bytes).is_none()) {
            let got = stored.get(row).map_or(0, |bytes| i64::from_le_bytes(*bytes));
            return Err(CacheError::LabelOutOfRange { path: self.path.clone(), row, got, classes });
        }
        Ok(stored.iter().map(|bytes| ClassId(class(bytes).unwrap_or(0))).collect())
    }

    /// The rows of the source set.
    pub(crate) fn sample_ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.sample_id_bytes().as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes))
    }

    /// The labels as stored.
    pub(crate) fn label_bytes(&self) -> &[u8] {
        self.map.bytes().get(self.labels.clone()).unwrap_or_default()
    }

    /// The sample ids as stored.
    pub(crate) fn sample_id_bytes(&self) -> &[u8] {
        self.map.bytes().get(self.sample_ids.clone()).unwrap_or_default()
    }

    /// The features as stored, borrowed from the map.
    pub(crate) fn features(&self) -> &[u8] {
        // The range was checked against this very map when the shard was opened.
        self.map.bytes().get(self.features.clone()).unwrap_or_default()
    }

    /// Widens stored numbers `start .. start + out.len()` to f32.
    pub(crate) fn widen(&self, start: usize, out: &mut [f32]) {
        let width = self.dtype.bytes();
        let stored = self.features().get(start * width..(start + out.len()) * width).unwrap_or_default();
        match self.dtype {
            Dtype::F32 => out.copy_from_slice(bytemuck::cast_slice(stored)),
            Dtype::F16 => bytemuck::cast_slice::<u8, f16>(stored).convert_to_f32_slice(out),
            Dtype::Bf16 => bytemuck::cast_slice::<u8, bf16>(stored).convert_to_f32_slice(out),
        }
    }
}
