//! Writing: shards one by one, the manifest last; a killed dump goes on at the first missing shard.

use crate::{
    atomic,
    classes::ClassId,
    error::CacheError,
    manifest::{FileInfo, MANIFEST_FILE, Manifest, ShardInfo, ViewInfo},
    shard::{Expected, Shard, ShardWriter},
    stage1_head::{HEAD_FILE, Stage1Head},
    view::ViewId,
};
use std::{
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The settings of a dump that is not finished yet.
pub(crate) const PARTIAL_FILE: &str = "manifest.partial.json";

/// Running statistics of batch normalisation, where the dump moves them.
const STATISTICS_FILE: &str = "batch_norm.safetensors";

/// The rows of one view and how they are cut into shards.
#[derive(Clone, Debug)]
pub struct ViewPlan {
    /// The view.
    pub id: ViewId,
    /// Label of each row.
    pub labels: Vec<ClassId>,
    /// Row in the source set of each row.
    pub sample_ids: Vec<i64>,
    /// Rows in a shard, at least 1; the last one may hold fewer.
    pub shard_rows: usize,
}

impl ViewPlan {
    /// The rows of each shard; one empty shard for a view without rows.
    pub fn shards(&self) -> Vec<Range<usize>> {
        let step = self.shard_rows.max(1);
        let count = self.labels.len().div_ceil(step).max(1);
        (0..count).map(|index| index * step..((index + 1) * step).min(self.labels.len())).collect()
    }

    fn file(&self, index: usize) -> String {
        format!("{}/{index:05}.safetensors", self.id)
    }
}

/// A cache that is being written; [`CacheWriter::finish`] makes it one.
#[derive(Debug)]
pub struct CacheWriter {
    path: PathBuf,
    manifest: Manifest,
    finished: bool,
}

impl CacheWriter {
    /// Starts a dump with these settings, or goes on with one that has the same.
    ///
    /// `manifest` holds the settings; its views, head and time are filled in by the writer.
    ///
    /// # Errors
    /// [`CacheError::OtherDump`] where the folder holds a dump with other settings, [`CacheError::NotEmpty`] where it holds
    /// something else, [`CacheError::Io`].
    pub fn begin(path: &Path, manifest: Manifest) -> Result<Self, CacheError> {
        std::fs::create_dir_all(path).map_err(|source| CacheError::io("create", path, source))?;
        let finished = path.join(MANIFEST_FILE).exists();
        let previous = if finished { path.join(MANIFEST_FILE) } else { path.join(PARTIAL_FILE) };
        if previous.exists() {
            let there = read_settings(&previous)?;
            if let Some(difference) = manifest.difference(&there) {
                return Err(CacheError::OtherDump { path: path.to_owned(), difference });
            }
            // The program that began a dump signs it, so that a resumed dump ends with the same bytes.
            let manifest = if finished { there } else { Manifest { program: there.program, ..manifest } };
            return Ok(Self { path: path.to_owned(), manifest, finished });
        }
        let entries = std::fs::read_dir(path).map_err(|source| CacheError::io("read", path, source))?;
        // A kill before the first rename leaves temporary files only.
        let foreign = entries.flatten().any(|entry| !entry.file_name().to_string_lossy().ends_with(".tmp"));
        if foreign {
            return Err(CacheError::NotEmpty { path: path.to_owned() });
        }
        atomic::write_atomic(&path.join(PARTIAL_FILE), pretty(&manifest).as_bytes())?;
        Ok(Self { path: path.to_owned(), manifest, finished: false })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the cache was already finished with these settings: nothing is left to do.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The settings, and after [`CacheWriter::finish`] the whole manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The shards of a view that are not on disk yet.
    ///
    /// # Errors
    /// [`CacheError::Io`].
    pub fn missing_shards(&self, plan: &ViewPlan) -> Result<Vec<usize>, CacheError> {
        let folder = self.path.join(plan.id.to_string());
        std::fs::create_dir_all(&folder).map_err(|source| CacheError::io("create", &folder, source))?;
        // A kill leaves at most a temporary file: no one else writes here.
        for entry in
            std::fs::read_dir(&folder).map_err(|source| CacheError::io("read", &folder, source))?.flatten()
        {
            if entry.file_name().to_string_lossy().ends_with(".tmp") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let shards = plan.shards();
        Ok(shards
            .iter()
            .enumerate()
            .filter(|(index, rows)| !self.is_whole(plan, *index, rows))
            .map(|(index, _)| index)
            .collect())
    }

    /// Starts one shard of a view.
    ///
    /// # Errors
    /// As [`ShardWriter::create`]; an index outside the plan is [`CacheError::WrongRows`].
    pub fn shard(&self, plan: &ViewPlan, index: usize) -> Result<ShardWriter, CacheError> {
        let path = self.path.join(plan.file(index));
        let rows = plan.shards().get(index).cloned().unwrap_or(0..0);
        let (Some(labels), Some(ids)) = (plan.labels.get(rows.clone()), plan.sample_ids.get(rows.clone()))
        else {
            return Err(CacheError::WrongRows { path, expected: plan.labels.len(), got: rows.end });
        };
        ShardWriter::create(&path, self.manifest.dtype, self.manifest.feature_dim, labels, ids)
    }

    /// Writes the stage-1 head.
    ///
    /// # Errors
    /// As [`Stage1Head::write`].
    pub fn head(&mut self, head: &Stage1Head) -> Result<(), CacheError> {
        head.write(&self.path.join(HEAD_FILE))
    }

    /// Where the running statistics go that a dump with [`crate::BatchNormMode::Train`] moves: beside the unfinished dump they
    /// are what it goes on from, in the finished cache what its held-out views were normalised by.
    pub fn statistics_path(&self) -> PathBuf {
        self.path.join(STATISTICS_FILE)
    }

    /// Checks that every shard is there, digests all files and writes the manifest: from now on the folder is a cache.
    ///
    /// # Errors
    /// [`CacheError::MissingShard`], [`CacheError::Io`].
    pub fn finish(mut self, plans: &[ViewPlan]) -> Result<Manifest, CacheError> {
        for plan in plans {
            let mut shards = Vec::new();
            for (index, rows) in plan.shards().into_iter().enumerate() {
                let file = plan.file(index);
                if !self.is_whole(plan, index, &rows) {
                    return Err(CacheError::MissingShard { path: self.path.join(file) });
                }
                shards.push(ShardInfo { rows: rows.len() as u64, file: self.file_info(file)? });
            }
            let view = ViewInfo { rows: plan.labels.len() as u64, shards };
            self.write_index(plan, &view)?;
            self.manifest.views.insert(plan.id, view);
        }
        if self.path.join(HEAD_FILE).exists() {
            self.manifest.stage1_head = Some(self.file_info(HEAD_FILE.to_owned())?);
        }
        if self.statistics_path().exists() {
            self.manifest.batch_norm_statistics = Some(self.file_info(STATISTICS_FILE.to_owned())?);
        }
        self.manifest.created_unix = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        atomic::write_atomic(&self.path.join(MANIFEST_FILE), pretty(&self.manifest).as_bytes())?;
        // Only a leftover: a cache with both files is finished.
        let _ = std::fs::remove_file(self.path.join(PARTIAL_FILE));
        Ok(self.manifest)
    }

    fn is_whole(&self, plan: &ViewPlan, index: usize, rows: &Range<usize>) -> bool {
        let expected =
            Expected { rows: rows.len(), dim: self.manifest.feature_dim, dtype: self.manifest.dtype };
        let Ok(shard) = Shard::open(&self.path.join(plan.file(index)), expected) else { return false };
        let (Some(labels), Some(ids)) = (plan.labels.get(rows.clone()), plan.sample_ids.get(rows.clone()))
        else {
            return false;
        };
        shard.labels(self.manifest.classes()).is_ok_and(|found| found == labels)
            && shard.sample_ids().eq(ids.iter().copied())
    }

    fn file_info(&self, file: String) -> Result<FileInfo, CacheError> {
        let path = self.path.join(&file);
        let bytes = std::fs::metadata(&path).map_err(|source| CacheError::io("read", &path, source))?.len();
        Ok(FileInfo { file, bytes, blake3: digest(&path)? })
    }

    /// The Hugging Face index of a view. Tensors of several shards share their names, which that convention does not know:
    /// keys carry the shard's number then, and `metadata.shards` lists files in row order.
    fn write_index(&self, plan: &ViewPlan, view: &ViewInfo) -> Result<(), CacheError> {
        let name = |shard: &ShardInfo| shard.file.file.rsplit('/').next().unwrap_or_default().to_owned();
        let weight_map: serde_json::Map<String, serde_json::Value> = view
            .shards
            .iter()
            .enumerate()
            .flat_map(|(index, shard)| {
                let suffix = if view.shards.len() == 1 { String::new() } else { format!(".{index:05}") };
                ["features", "labels", "sample_ids"]
                    .map(|tensor| (format!("{tensor}{suffix}"), name(shard).into()))
            })
            .collect();
        let index = serde_json::json!({
            "metadata": {
                "total_size": view.shards.iter().map(|shard| shard.file.bytes).sum::<u64>(),
                "rows": view.rows,
                "shards": view.shards.iter().map(name).collect::<Vec<_>>(),
            },
            "weight_map": weight_map,
        });
        let path = self.path.join(plan.id.to_string()).join("features.safetensors.index.json");
        atomic::write_atomic(&path, format!("{index:#}\n").as_bytes())
    }
}

/// BLAKE3 of a file, in hexadecimal.
pub(crate) fn digest(path: &Path) -> Result<String, CacheError> {
    let fail = |source| CacheError::io("read", path, source);
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).map_err(fail)?).map_err(fail)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn read_settings(path: &Path) -> Result<Manifest, CacheError> {
    let bytes = std::fs::read(path).map_err(|source| CacheError::io("read", path, source))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| CacheError::InvalidManifest { path: path.to_owned(), reason: error.to_string() })
}

fn pretty(manifest: &Manifest) -> String {
    format!("{}\n", serde_json::to_string_pretty(manifest).unwrap_or_default())
}
