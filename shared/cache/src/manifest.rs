//! What decided the bytes of a cache, and the digest of it.

use crate::{
    classes::ClassCounts,
    dataset_info::{DatasetInfo, numbered},
    difference,
    digest::canonical_json,
    dtype::Dtype,
    error::CacheError,
    seal::{self, Seal},
    steps::{Architecture, Steps},
    version_1,
    view::{Split, View, ViewId},
};
use files::regular;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, io::ErrorKind, path::Path};

/// The cache format that this program writes; it reads version 1, too, whose transforms and networks are sentences.
pub const FORMAT_VERSION: u32 = 2;

/// The file that makes a folder a cache.
pub const MANIFEST_FILE: &str = "manifest.json";

/// No manifest has more bytes: a hundred times that of a data set of 10,000 classes.
const LARGEST: u64 = 1 << 28;

/// A key of [`BackboneInfo::recipe`] with a text for people: part of no identity.
pub const CAUTION: &str = "caution";

/// Everything that decided the bytes of a feature cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The images.
    pub dataset: DatasetInfo,
    /// One name a class.
    pub class_names: Vec<String>,
    /// n_k of the training split.
    pub train_class_counts: ClassCounts,
    /// Features of one sample, D.
    pub feature_dim: usize,
    /// Number format of the features.
    pub dtype: Dtype,
    /// The network.
    pub backbone: BackboneInfo,
    /// Transform of every kind of view (`clean`, `flipped`, `augmented`).
    pub transforms: BTreeMap<String, Steps>,
    /// Which statistics batch normalisation used.
    pub batch_norm: BatchNormMode,
    /// The program that wrote the cache.
    pub program: ProgramInfo,
    /// Seconds since 1970 when the cache was finished; not part of the cache key.
    #[serde(default)]
    pub created_unix: u64,
    /// The stage-1 head, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage1_head: Option<FileInfo>,
    /// The running statistics that the held-out views were normalised by, where the dump moved them
    /// ([`BatchNormMode::Train`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_norm_statistics: Option<FileInfo>,
    /// The image file of each sample, where the images were files; not part of the cache key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<FileInfo>,
    /// The views.
    #[serde(default)]
    pub views: BTreeMap<ViewId, ViewInfo>,
}

/// The network and how it was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackboneInfo {
    /// Name and width.
    pub architecture: Architecture,
    /// BLAKE3 over the weights.
    pub weights_digest: String,
    /// The training recipe, or where the weights came from.
    pub recipe: Value,
    /// The layer that was read, `stage3`; the last one before the head where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// How its map became features, `max`; the mean where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<String>,
}

/// Which statistics batch normalisation used during the dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchNormMode {
    /// The running statistics of stage 1.
    #[default]
    Eval,
    /// As published stage-2 code has it: the statistics of each shuffled batch for training views, and for the held-out
    /// views the running statistics that these batches moved.
    Train,
}

/// Name, version and commit of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramInfo {
    /// `extractor` or `retrainer`.
    pub name: String,
    /// Crate version.
    pub version: String,
    /// Source commit, or `unknown`.
    pub commit: String,
}

/// How the stage-1 head makes logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// w·f + b.
    #[default]
    Linear,
    /// Scaled cosine between w and f.
    Cosine,
}

/// A file and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Name in the cache.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// BLAKE3 of the bytes, in hexadecimal.
    pub blake3: String,
}

/// A view: its shards in row order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewInfo {
    /// Samples.
    pub rows: u64,
    /// The shards.
    pub shards: Vec<ShardInfo>,
}

/// A shard of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    /// Samples in this shard.
    pub rows: u64,
    /// The file.
    #[serde(flatten)]
    pub file: FileInfo,
}

impl Manifest {
    /// The manifest as version 1 spells it, with sentences for the network and the transforms: what the key is of, what
    /// differences are told in, and what a head says of its features.
    pub fn said(&self) -> Value {
        version_1::said(serde_json::to_value(self).unwrap_or(Value::Null))
    }

    /// BLAKE3 of the canonical manifest without paths and times, in the spelling of version 1, so that a dump keeps its key: the
    /// identity of the cached features.
    pub fn cache_key(&self) -> String {
        let mut value = self.said();
        forget_remarks(&mut value);
        strip(&mut value, &["created_unix", "file", CAUTION]);
        blake3::hash(canonical_json(&value).as_bytes()).to_hex().to_string()
    }

    /// Number of classes C.
    pub fn classes(&self) -> usize {
        self.train_class_counts.classes()
    }

    /// The views of one split, in name order.
    pub(crate) fn views_of(&self, split: Split) -> impl Iterator<Item = View> + '_ {
        self.views.keys().filter(move |id| id.split == split).map(|id| id.view)
    }

    /// Every file of the cache but the manifest itself and the views' indices, in reading order.
    pub fn files(&self) -> impl Iterator<Item = &FileInfo> {
        let shards = self.views.values().flat_map(|view| view.shards.iter().map(|shard| &shard.file));
        shards.chain(self.extra_files())
    }

    /// The files that are no shards.
    fn extra_files(&self) -> impl Iterator<Item = &FileInfo> {
        self.stage1_head.iter().chain(&self.batch_norm_statistics).chain(&self.images)
    }

    /// The setting in which two dumps differ, as `name: mine, theirs`; times, results and program versions do not count.
    ///
    /// A digest is named by what it is of, and only where nothing else differs.
    pub fn difference(&self, other: &Self) -> Option<String> {
        // Numbers stand for names that were not known.
        let unnamed = self.class_names.len() == other.class_names.len()
            && (numbered(&self.class_names) || numbered(&other.class_names));
        let settings = |manifest: &Self| {
            let mut value = manifest.said();
            forget_remarks(&mut value);
            if let Value::Object(fields) = &mut value {
                for name in ["created_unix", "program", "views", "stage1_head", "batch_norm_statistics"] {
                    fields.remove(name);
                }
                if unnamed {
                    fields.remove("class_names");
                }
            }
            strip(&mut value, &[CAUTION]);
            value
        };
        difference::first(&settings(self), &settings(other))
    }

    /// The file's text: readable, and with a digest of itself, which is no part of the cache key.
    pub fn sealed(&self) -> String {
        seal::seal(serde_json::to_value(self).unwrap_or(Value::Null))
    }

    /// Reads a manifest of a finished or unfinished dump, and what it says about its own bytes; `None` where no file is there.
    pub(crate) fn read(path: &Path) -> Result<Option<(Self, Seal)>, CacheError> {
        match regular::read_at_most(path, LARGEST) {
            Ok(bytes) => Self::parse(path, &bytes).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // A file in the place of the folder.
            Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(None),
            Err(source) => Err(CacheError::io("read", path, source)),
        }
    }

    /// Reads the text of the manifest of a finished cache; `path` is for messages. Every path in it stays inside the cache.
    ///
    /// # Errors
    /// [`CacheError::ManifestChanged`], [`CacheError::WrongVersion`], [`CacheError::InvalidManifest`].
    pub fn from_text(path: &Path, bytes: &[u8]) -> Result<Self, CacheError> {
        let (manifest, seal) = Self::parse(path, bytes)?;
        if let Seal::Broken { expected, got } = seal {
            return Err(CacheError::ManifestChanged { path: path.to_owned(), expected, got });
        }
        let invalid = |reason| CacheError::InvalidManifest { path: path.to_owned(), reason };
        manifest.check().map_err(invalid)?;
        Ok(manifest)
    }

    /// Reads the text of a manifest; `path` is for messages. Every path in it stays inside the cache.
    ///
    /// # Errors
    /// [`CacheError::WrongVersion`], [`CacheError::InvalidManifest`].
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<(Self, Seal), CacheError> {
        let invalid = |reason: String| CacheError::InvalidManifest { path: path.to_owned(), reason };
        let mut value: Value = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        let seal = seal::examine(bytes, &mut value);
        // The version comes first: fields of another version are not errors of this one.
        match value.get("format_version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(FORMAT_VERSION) => {}
            Some(1) => {
                version_1::read(&mut value);
                if let Some(version) = value.get_mut("format_version") {
                    *version = FORMAT_VERSION.into();
                }
            }
            Some(got) => {
                return Err(CacheError::WrongVersion {
                    path: path.to_owned(),
                    expected: FORMAT_VERSION,
                    got,
                });
            }
            None => return Err(invalid("no `format_version`".to_owned())),
        }
        let manifest = Self::deserialize(&value).map_err(|error| invalid(error.to_string()))?;
        let known = serde_json::to_value(&manifest).unwrap_or(Value::Null);
        if let Some(key) = seal::unknown_key(&value, &known) {
            return Err(invalid(format!("unknown key `{key}`")));
        }
        manifest.check_paths().map_err(invalid)?;
        Ok((manifest, seal))
    }

    /// Whether a finished cache can be of this manifest.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.feature_dim == 0 {
            return Err("`feature_dim` is 0".to_owned());
        }
        if self.class_names.len() != self.classes() {
            return Err(format!(
                "{} class names for {} class counts",
                self.class_names.len(),
                self.classes()
            ));
        }
        if !self.views.contains_key(&ViewId::new(Split::Train, View::Clean)) {
            return Err("no view `train.clean`".to_owned());
        }
        for (id, view) in &self.views {
            let sum = view.shards.iter().try_fold(0_u64, |sum, shard| sum.checked_add(shard.rows));
            if sum != Some(view.rows) {
                return Err(format!("rows of the shards of `{id}` do not add up to {}", view.rows));
            }
        }
        Ok(())
    }

    /// Whether every file is inside the cache.
    fn check_paths(&self) -> Result<(), String> {
        let shards = self.views.values().flat_map(|view| &view.shards);
        if let Some(shard) = shards.into_iter().find(|shard| !is_plain_path(&shard.file.file)) {
            return Err(format!("shard path `{}` leaves the cache", shard.file.file));
        }
        match self.extra_files().find(|file| !is_plain_path(&file.file)) {
            Some(file) => Err(format!("path `{}` leaves the cache", file.file)),
            None => Ok(()),
        }
    }
}

/// Whether a path stays inside the folder it is relative to.
fn is_plain_path(path: &str) -> bool {
    use std::path::Component;
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn strip(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            fields.values_mut().for_each(|field| strip(field, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, names)),
        _ => {}
    }
}

/// Removes what is worth reading and decides no feature.
fn forget_remarks(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    fields.remove("images");
    if let Some(Value::Object(dataset)) = fields.get_mut("dataset") {
        for name in ["names_digest", "left_out", "overlaps"] {
            dataset.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_cache_are_no_plain_paths() {
        for path in ["/etc/passwd", "../x", "a/../b", "", "./a"] {
            assert!(!is_plain_path(path), "{path}");
        }
        assert!(is_plain_path("train.clean/00000.safetensors"));
    }
}
