//! Damaged files of a finished cache, written again.

use super::{FinishedDump, Folder, IMAGES_FILE, STATISTICS_FILE, ShardStore};
use crate::{
    error::CacheError,
    index,
    manifest::{FileInfo, Manifest},
    plan::{self, ViewPlan},
    shard::ShardWriter,
    stage1_head::{HEAD_FILE, Stage1Head},
};
use files::atomic;
use std::{collections::BTreeMap, path::Path};

/// A finished cache whose damaged files are written again; each takes its place where it comes out with the checksum of the
/// manifest.
#[derive(Debug)]
pub struct CacheRepair {
    folder: Folder,
    /// Files to write again, and what they were.
    damaged: BTreeMap<String, FileInfo>,
}

impl FinishedDump {
    /// Writes files again, with the settings and views that the cache was dumped with.
    ///
    /// # Errors
    /// [`CacheError::OtherDump`] where it was dumped with others.
    pub fn repair<'plan>(
        self,
        manifest: Manifest,
        plans: impl IntoIterator<Item = &'plan ViewPlan>,
        damaged: impl IntoIterator<Item = FileInfo>,
    ) -> Result<CacheRepair, CacheError> {
        self.folder.refuse_other(&Manifest { views: plan::announce(plans), ..manifest })?;
        let damaged = damaged.into_iter().map(|file| (file.file.clone(), file)).collect();
        Ok(CacheRepair { folder: self.folder, damaged })
    }
}

impl ShardStore for CacheRepair {
    fn path(&self) -> &Path {
        &self.folder.path
    }

    fn manifest(&self) -> &Manifest {
        &self.folder.manifest
    }

    /// Those that are damaged.
    fn missing_shards(&self, plan: &ViewPlan) -> Result<Vec<usize>, CacheError> {
        self.folder.tidy_view(plan.id)?;
        Ok((0..plan.shards().len()).filter(|&index| self.damaged.contains_key(&plan.file(index))).collect())
    }

    fn shard(&self, plan: &ViewPlan, index: usize) -> Result<ShardWriter, CacheError> {
        let before = self.damaged.get(&plan.file(index)).cloned();
        Ok(self.folder.shard(plan, index)?.replacing(before))
    }
}

impl CacheRepair {
    /// Writes the head again, where it is damaged.
    ///
    /// # Errors
    /// [`CacheError::OtherBytes`], and those of [`Stage1Head::write`].
    pub fn head(&self, head: &Stage1Head) -> Result<(), CacheError> {
        self.file(HEAD_FILE, &head.encode(&self.folder.path.join(HEAD_FILE))?)
    }

    /// As [`CacheRepair::head`], for which image file each sample is of.
    ///
    /// # Errors
    /// [`CacheError::OtherBytes`], [`CacheError::File`].
    pub fn images(&self, bytes: &[u8]) -> Result<(), CacheError> {
        self.file(IMAGES_FILE, bytes)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Result<(), CacheError> {
        let Some(before) = self.damaged.get(name) else { return Ok(()) };
        let path = self.folder.path.join(name);
        let got = blake3::hash(bytes).to_hex().to_string();
        if got != before.blake3 {
            return Err(CacheError::OtherBytes { path, expected: before.blake3.clone(), got });
        }
        Ok(atomic::write_atomic(&path, bytes)?)
    }

    /// Removes the running statistics where they are damaged: the dump's passes make them again.
    ///
    /// # Errors
    /// [`CacheError::File`].
    pub fn drop_damaged_statistics(&self) -> Result<(), CacheError> {
        let path = self.statistics_path();
        if self.damaged.contains_key(STATISTICS_FILE) && path.exists() {
            std::fs::remove_file(&path).map_err(|source| CacheError::io("remove", &path, source))?;
        }
        Ok(())
    }

    /// Writes the index of each view that is lost or damaged; the manifest does not list them.
    ///
    /// # Errors
    /// [`CacheError::File`].
    pub fn restore_indices(&self) -> Result<(), CacheError> {
        let Folder { path, manifest } = &self.folder;
        let lost = manifest.views.iter().filter(|(id, view)| index::check(path, **id, view).is_err());
        lost.into_iter().try_for_each(|(id, view)| self.folder.write_index(*id, view))
    }
}
