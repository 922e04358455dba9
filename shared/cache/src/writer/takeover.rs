//! A dump that goes on although some of its images have changed meanwhile.

use super::{Dump, Folder, IMAGES_FILE, PARTIAL_FILE, STATISTICS_FILE, pretty};
use crate::{
    error::CacheError,
    manifest::{BatchNormMode, MANIFEST_FILE, Manifest},
    plan::{self, ViewPlan},
    shard::{Expected, Shard},
    view::{Split, ViewId},
};
use files::{FileError, atomic};
use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    io::ErrorKind,
    path::Path,
};

impl Dump {
    /// Lets the dump in a folder go on with these settings, which differ from its own in their samples alone: shards that
    /// hold a sample that `changed` are removed, and [`Dump::begin`] takes the others.
    ///
    /// A finished dump becomes an unfinished one. Killed at any point, what is there is a dump of the old or of the new
    /// settings without shards of changed samples.
    ///
    /// # Errors
    /// [`CacheError::MissingManifest`], [`FileError::InUse`] where another process is writing to the folder,
    /// [`CacheError::File`].
    pub fn take_over<'plan>(
        path: &Path,
        manifest: Manifest,
        plans: impl IntoIterator<Item = &'plan ViewPlan>,
        images: &[u8],
        changed: impl Fn(Split, i64) -> bool,
    ) -> Result<(), CacheError> {
        let missing = || CacheError::MissingManifest { path: path.to_owned() };
        let partial = path.join(PARTIAL_FILE);
        let there = match Self::find(path)?.ok_or_else(missing)? {
            Self::Unfinished(writer) => writer.folder,
            Self::Finished(finished) => {
                atomic::write_atomic(&partial, pretty(&finished.folder.manifest).as_bytes())?;
                remove(&path.join(MANIFEST_FILE))?;
                finished.folder
            }
        };
        let lock = File::open(&partial).map_err(|source| CacheError::io("open", &partial, source))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(FileError::InUse { path: path.to_owned() }.into());
        }
        let manifest =
            Manifest { views: plan::announce(plans), program: there.manifest.program.clone(), ..manifest };
        // Statistics that moved with the old images decide every view.
        let all = manifest.batch_norm == BatchNormMode::Train;
        if all {
            remove(&path.join(STATISTICS_FILE))?;
        }
        let announced: BTreeSet<&str> = files(&manifest).map(|(_, file, _)| file).collect();
        for (id, file, rows) in files(&there.manifest) {
            let full = path.join(file);
            let stays = !all
                && announced.contains(file)
                && there
                    .ids(&full, rows)
                    .is_some_and(|ids| ids.into_iter().all(|sample| !changed(id.split, sample)));
            if !stays {
                remove(&full)?;
            }
        }
        atomic::write_atomic(&path.join(IMAGES_FILE), images)?;
        Ok(atomic::write_atomic(&partial, pretty(&manifest).as_bytes())?)
    }
}

impl Folder {
    /// The samples of a shard that is whole.
    fn ids(&self, path: &Path, rows: u64) -> Option<Vec<i64>> {
        let Manifest { feature_dim: dim, dtype, .. } = self.manifest;
        let shard = Shard::open(path, Expected { rows: usize::try_from(rows).ok()?, dim, dtype }).ok()?;
        Some(shard.sample_ids().collect())
    }
}

/// View, file and rows of every shard.
fn files(manifest: &Manifest) -> impl Iterator<Item = (ViewId, &str, u64)> {
    let shards = manifest.views.iter().flat_map(|(id, view)| view.shards.iter().map(|shard| (*id, shard)));
    shards.map(|(id, shard)| (id, shard.file.file.as_str(), shard.rows))
}

fn remove(path: &Path) -> Result<(), CacheError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(CacheError::io("remove", path, error)),
        _ => Ok(()),
    }
}
