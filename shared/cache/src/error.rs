//! Every way in which a cache can be wrong, each with path, expected, got and a hint.

use crate::{dtype::Dtype, view::ViewId};
use files::{FileError, Hint, text};
use std::{
    io,
    path::{Path, PathBuf},
};

/// A feature cache (or a file of one) that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The operating system refused, or another process is at the same work.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder does not exist, or holds neither a manifest nor an unfinished dump.
    #[error("`{}` is not a feature cache: no `manifest.json`", text::path(path))]
    MissingManifest {
        /// The folder.
        path: PathBuf,
    },
    /// A dump was started here and did not end.
    #[error("the dump into `{}` is unfinished", text::path(path))]
    UnfinishedDump {
        /// The folder.
        path: PathBuf,
    },
    /// A cache of another format version.
    #[error("`{}` has cache format version {got}, expected {expected}", text::path(path))]
    WrongVersion {
        /// The manifest.
        path: PathBuf,
        /// The version that this program reads.
        expected: u32,
        /// The version found.
        got: u64,
    },
    /// The manifest is not what the format says.
    #[error("invalid manifest `{}`: {reason}", text::path(path))]
    InvalidManifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The manifest's bytes are not those that were written.
    #[error(
        "`{}` was changed after it was written: its digest is {got}, and it says {expected}",
        text::path(path)
    )]
    ManifestChanged {
        /// The manifest.
        path: PathBuf,
        /// The digest that it carries.
        expected: String,
        /// The digest of its bytes.
        got: String,
    },
    /// A shard of the manifest is not on disk.
    #[error("shard `{}` is missing", text::path(path))]
    MissingShard {
        /// The shard.
        path: PathBuf,
    },
    /// An unfinished dump was to be finished, and shards are not on disk yet.
    #[error("{} of {shards} shards of `{}` are missing: {}", .missing.len(), text::path(path), some(.missing))]
    MissingShards {
        /// The folder.
        path: PathBuf,
        /// The files.
        missing: Vec<String>,
        /// Shards of the whole dump.
        shards: usize,
    },
    /// The file's size differs from the manifest's.
    #[error("`{}` has {got} bytes, expected {expected}", text::path(path))]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes on disk.
        got: u64,
    },
    /// The safetensors header is damaged or lies about sizes.
    #[error("invalid safetensors header in `{}`: {reason}", text::path(path))]
    InvalidHeader {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor is missing or has another shape.
    #[error("tensor `{tensor}` of `{}` is {got}, expected {expected}", text::path(path))]
    WrongTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape or type that belongs there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A head file of the user that is no head, or one of other features or classes.
    #[error("`{}`: expected {expected}, got {got}", text::path(path))]
    MalformedHead {
        /// The file.
        path: PathBuf,
        /// What belongs there.
        expected: String,
        /// What is there.
        got: String,
        /// What to do.
        hint: String,
    },
    /// Features in another number format than the manifest says.
    #[error("features of `{}` are {got}, expected {expected}", text::path(path))]
    DtypeMismatch {
        /// The shard.
        path: PathBuf,
        /// The manifest's format.
        expected: Dtype,
        /// The shard's.
        got: String,
    },
    /// A label that is no class.
    #[error("label {got} in row {row} of `{}` is outside the {classes} classes", text::path(path))]
    LabelOutOfRange {
        /// The shard.
        path: PathBuf,
        /// Row in the shard.
        row: usize,
        /// The label found.
        got: i64,
        /// Number of classes C.
        classes: usize,
    },
    /// Two views of a split do not hold the same samples in the same order.
    #[error("views `{view}` and `{other}` of `{}` disagree: {reason}", text::path(path))]
    ViewRowsDisagree {
        /// The cache.
        path: PathBuf,
        /// The view that differs.
        view: ViewId,
        /// The first view of the split.
        other: ViewId,
        /// Row counts or the first row that differs.
        reason: String,
    },
    /// The training labels do not add up to the manifest's class counts.
    #[error("class {class} of `{}` has {got} training samples, expected {expected}", text::path(path))]
    ClassCountsDisagree {
        /// The cache.
        path: PathBuf,
        /// The first class that differs.
        class: usize,
        /// The manifest's count.
        expected: u64,
        /// The labels' count.
        got: u64,
    },
    /// No class, no sample, or more than can be counted.
    #[error("class counts of {classes} classes hold no sample or overflow")]
    InvalidClassCounts {
        /// Number of classes given.
        classes: usize,
    },
    /// The bytes of a file are not those that were written.
    #[error("`{}` has checksum {got}, expected {expected}", text::path(path))]
    ChecksumMismatch {
        /// The file.
        path: PathBuf,
        /// BLAKE3 by the manifest.
        expected: String,
        /// BLAKE3 of the bytes on disk.
        got: String,
    },
    /// A shard was written again to repair it, and came out otherwise; the damaged one is still there.
    #[error("`{}` came out with checksum {got}, expected {expected}", text::path(path))]
    OtherBytes {
        /// The shard.
        path: PathBuf,
        /// BLAKE3 by the manifest.
        expected: String,
        /// BLAKE3 of the new bytes.
        got: String,
    },
    /// A split or view that this cache does not hold.
    #[error("`{}` has no view `{view}` (it has {available})", text::path(path))]
    MissingView {
        /// The cache.
        path: PathBuf,
        /// The view asked for.
        view: String,
        /// The views that are there.
        available: String,
    },
    /// A feature that is NaN or infinite, or becomes so in the format asked for.
    #[error("row {row} of `{}` holds a feature that is not finite", text::path(path))]
    NonFinite {
        /// The shard.
        path: PathBuf,
        /// Row in the shard.
        row: usize,
    },
    /// A shard got fewer or more rows than its header says.
    #[error("`{}` got {got} numbers, expected {expected}", text::path(path))]
    WrongRows {
        /// The shard.
        path: PathBuf,
        /// Numbers (rows × D) that belong there.
        expected: usize,
        /// Numbers given.
        got: usize,
    },
    /// The folder holds a dump with other settings.
    #[error("`{}` holds a dump with other settings: {difference}", text::path(path))]
    OtherDump {
        /// The folder.
        path: PathBuf,
        /// The first setting that differs, with both values.
        difference: String,
    },
    /// The folder holds files that are no cache.
    #[error("`{}` is not empty and holds no feature cache", text::path(path))]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
}

impl CacheError {
    /// An error of the operating system at a path.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File(FileError::io(action, path, source))
    }
}

impl Hint for CacheError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::File(error) => return error.hint(),
            Self::MissingManifest { path } if path.is_file() => {
                "a cache is a folder; a packed one is unpacked with `extractor unpack`"
            }
            Self::MissingManifest { path } if !path.exists() => {
                "there is no such folder: check the path, or make a cache with `extractor dump` or `extractor import`"
            }
            Self::MissingManifest { .. } => "make one with `extractor dump` or `extractor import`",
            Self::UnfinishedDump { .. } => {
                "run the same `extractor dump` again: it goes on at the first missing shard; after all partitions, `extractor merge`"
            }
            Self::WrongVersion { .. } => {
                "dump the features again, or use the program version that wrote the cache"
            }
            Self::InvalidManifest { .. } | Self::ManifestChanged { .. } => {
                "a manifest is not edited by hand: restore `manifest.json` from a copy, or make the cache again"
            }
            Self::MissingShard { .. }
            | Self::WrongSize { .. }
            | Self::InvalidHeader { .. }
            | Self::WrongTensor { .. }
            | Self::DtypeMismatch { .. }
            | Self::ChecksumMismatch { .. }
            | Self::ViewRowsDisagree { .. }
            | Self::LabelOutOfRange { .. }
            | Self::ClassCountsDisagree { .. } => {
                "the cache is damaged: `extractor verify` lists every damaged file; copy or dump it again"
            }
            Self::MalformedHead { hint, .. } => hint,
            Self::OtherBytes { .. } => {
                "it was not replaced: equal bytes need the `--batch-size`, `--threads` and kind of device of the dump"
            }
            Self::MissingShards { .. } => {
                "run the `extractor dump` that began it, or its other partitions: they write what is missing"
            }
            Self::MissingView { .. } => "choose a view that is there, or dump the cache again with it",
            Self::NonFinite { .. } => {
                "half precision ends at 65504: use `--dtype bf16` or `f32` and another `--out`, or check the backbone"
            }
            Self::OtherDump { .. } | Self::NotEmpty { .. } => {
                "choose another `--out`, or remove the folder first"
            }
            Self::InvalidClassCounts { .. } => "a training split needs at least one sample",
            Self::WrongRows { .. } => return None,
        };
        Some(text.to_owned())
    }
}

/// The first few names, and how many follow.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
