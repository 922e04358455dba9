//! A dump that is not finished yet.

use super::{Folder, IMAGES_FILE, PARTIAL_FILE, STATISTICS_FILE, ShardStore};
use crate::{
    digest,
    error::CacheError,
    manifest::{FileInfo, MANIFEST_FILE, Manifest, ShardInfo},
    plan::ViewPlan,
    shard::{Digests, Expected, Shard, ShardWriter},
    stage1_head::{HEAD_FILE, Stage1Head},
};
use files::atomic;
use std::{ops::Range, path::Path, time::SystemTime};

/// A cache that is being written; [`CacheWriter::finish`] makes it one.
#[derive(Debug)]
pub struct CacheWriter {
    pub(super) folder: Folder,
    digests: Digests,
}

impl ShardStore for CacheWriter {
    fn path(&self) -> &Path {
        &self.folder.path
    }

    fn manifest(&self) -> &Manifest {
        &self.folder.manifest
    }

    /// Those that are not on disk yet.
    fn missing_shards(&self, plan: &ViewPlan) -> Result<Vec<usize>, CacheError> {
        self.folder.tidy_view(plan.id)?;
        let shards = plan.shards().into_iter().enumerate();
        Ok(shards
            .filter(|(index, rows)| !self.is_whole(plan, *index, rows))
            .map(|(index, _)| index)
            .collect())
    }

    /// If another process finishes it first, that one stays.
    fn shard(&self, plan: &ViewPlan, index: usize) -> Result<ShardWriter, CacheError> {
        let rows = plan.shards().get(index).cloned().unwrap_or(0..0);
        if !self.is_whole(plan, index, &rows) {
            // Damaged, or not there.
            let _ = std::fs::remove_file(self.folder.path.join(plan.file(index)));
        }
        Ok(self.folder.shard(plan, index)?.digested(self.digests.clone()))
    }
}

impl CacheWriter {
    pub(super) fn of(folder: Folder) -> Self {
        Self { folder, digests: Digests::default() }
    }

    /// Writes the stage-1 head.
    ///
    /// # Errors
    /// As [`Stage1Head::write`].
    pub fn head(&self, head: &Stage1Head) -> Result<(), CacheError> {
        head.write(&self.folder.path.join(HEAD_FILE))
    }

    /// Writes which image file each sample is of.
    ///
    /// # Errors
    /// [`CacheError::File`].
    pub fn images(&self, bytes: &[u8]) -> Result<(), CacheError> {
        Ok(atomic::write_atomic(&self.folder.path.join(IMAGES_FILE), bytes)?)
    }

    /// The announced shards that are not on disk, in the order of the views.
    pub fn missing(&self) -> Vec<&str> {
        let shards = self.folder.manifest.views.values().flat_map(|view| &view.shards);
        shards.filter(|shard| !self.is_there(shard)).map(|shard| shard.file.file.as_str()).collect()
    }

    /// Checks that every shard is there and writes the manifest: from now on the folder is a cache.
    ///
    /// Shards that this writer has written were digested on their way to the disk; the others are read.
    ///
    /// # Errors
    /// [`CacheError::MissingShards`], [`CacheError::File`].
    pub fn finish(mut self) -> Result<Manifest, CacheError> {
        let missing: Vec<String> = self.missing().into_iter().map(str::to_owned).collect();
        if !missing.is_empty() {
            let shards = self.folder.manifest.views.values().map(|view| view.shards.len()).sum();
            return Err(CacheError::MissingShards { path: self.folder.path, missing, shards });
        }
        for (id, mut view) in std::mem::take(&mut self.folder.manifest.views) {
            for shard in &mut view.shards {
                shard.file = self.file_info(std::mem::take(&mut shard.file.file))?;
            }
            self.folder.write_index(id, &view)?;
            self.folder.manifest.views.insert(id, view);
        }
        if self.folder.path.join(HEAD_FILE).exists() {
            self.folder.manifest.stage1_head = Some(self.file_info(HEAD_FILE.to_owned())?);
        }
        if self.statistics_path().exists() {
            self.folder.manifest.batch_norm_statistics = Some(self.file_info(STATISTICS_FILE.to_owned())?);
        }
        if self.folder.path.join(IMAGES_FILE).exists() {
            self.folder.manifest.images = Some(self.file_info(IMAGES_FILE.to_owned())?);
        }
        self.folder.manifest.created_unix =
            SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        atomic::write_atomic(
            &self.folder.path.join(MANIFEST_FILE),
            self.folder.manifest.sealed().as_bytes(),
        )?;
        // Only a leftover: a cache with both files is finished.
        let _ = std::fs::remove_file(self.folder.path.join(PARTIAL_FILE));
        Ok(self.folder.manifest)
    }

    /// Whether a shard has the size and types that belong there.
    fn is_there(&self, shard: &ShardInfo) -> bool {
        let expected = Expected {
            rows: usize::try_from(shard.rows).unwrap_or(usize::MAX),
            dim: self.folder.manifest.feature_dim,
            dtype: self.folder.manifest.dtype,
        };
        Shard::open(&self.folder.path.join(&shard.file.file), expected)
            .is_ok_and(|shard| shard.labels(self.folder.manifest.classes()).is_ok())
    }

    /// Whether a shard is there and holds the samples of the plan.
    fn is_whole(&self, plan: &ViewPlan, index: usize, rows: &Range<usize>) -> bool {
        let expected = Expected {
            rows: rows.len(),
            dim: self.folder.manifest.feature_dim,
            dtype: self.folder.manifest.dtype,
        };
        let Ok(shard) = Shard::open(&self.folder.path.join(plan.file(index)), expected) else { return false };
        let (Some(labels), Some(ids)) = (plan.labels.get(rows.clone()), plan.sample_ids.get(rows.clone()))
        else {
            return false;
        };
        shard.labels(self.folder.manifest.classes()).is_ok_and(|found| found == labels)
            && shard.sample_ids().eq(ids.iter().copied())
    }

    fn file_info(&self, file: String) -> Result<FileInfo, CacheError> {
        let path = self.folder.path.join(&file);
        let bytes = std::fs::metadata(&path).map_err(|source| CacheError::io("read", &path, source))?.len();
        let blake3 = self.digests.of(&path).map_or_else(|| digest::of_file(&path), Ok)?;
        Ok(FileInfo { file, bytes, blake3 })
    }
}
