//! Writing: shards one by one, the manifest last; a killed dump goes on at the first missing shard.
//!
//! Several processes may write to one folder. The first of them announces settings, views and shards in
//! `manifest.partial.json`, the others compare theirs with it; of two that write the same shard the first stays; and
//! whoever finds every shard there may finish.
//!
//! What a folder holds is a type: nothing of ours, an unfinished dump ([`CacheWriter`]) or a finished one ([`FinishedDump`]), whose
//! damaged files a [`CacheRepair`] writes again. `takeover` makes a dump one of other samples, `locks` keep processes apart.

mod anew;
mod begin;
mod locks;
mod repair;
mod takeover;
mod unfinished;

pub use repair::CacheRepair;
pub use unfinished::CacheWriter;

use crate::{
    error::CacheError,
    index,
    manifest::{MANIFEST_FILE, Manifest, ViewInfo},
    plan::{self, ViewPlan},
    seal::Seal,
    shard::ShardWriter,
    view::ViewId,
};
use files::atomic;
use std::path::{Path, PathBuf};

/// The settings of a dump that is not finished yet.
pub(crate) const PARTIAL_FILE: &str = "manifest.partial.json";

/// Running statistics of batch normalisation, where the dump moves them.
const STATISTICS_FILE: &str = "batch_norm.safetensors";

/// The image file of each sample, where the images were files: text in zstd, whose lines are the writer's affair.
pub const IMAGES_FILE: &str = "images.tsv.zst";

/// The dump that a folder holds.
#[derive(Debug)]
pub enum Dump {
    /// Shards are missing, or only the manifest is.
    Unfinished(CacheWriter),
    /// It is a cache: nothing is left to do.
    Finished(FinishedDump),
}

/// A dump that is a cache, with the settings asked for.
#[derive(Debug)]
pub struct FinishedDump {
    folder: Folder,
}

/// What shards of a dump are written by.
pub trait ShardStore: Sync {
    /// The folder.
    fn path(&self) -> &Path;

    /// The settings.
    fn manifest(&self) -> &Manifest;

    /// The shards of a view that are to be written.
    ///
    /// # Errors
    /// [`CacheError::File`].
    fn missing_shards(&self, plan: &ViewPlan) -> Result<Vec<usize>, CacheError>;

    /// Starts one shard of a view.
    ///
    /// # Errors
    /// As [`ShardWriter::create`]; an index outside the plan is [`CacheError::WrongRows`].
    fn shard(&self, plan: &ViewPlan, index: usize) -> Result<ShardWriter, CacheError>;

    /// Where the running statistics go that a dump with [`crate::BatchNormMode::Train`] moves: beside the unfinished dump they
    /// are what it goes on from, in the finished cache what its held-out views were normalised by.
    fn statistics_path(&self) -> PathBuf {
        self.path().join(STATISTICS_FILE)
    }
}

impl Dump {
    /// The settings.
    pub fn manifest(&self) -> &Manifest {
        match self {
            Self::Unfinished(writer) => writer.manifest(),
            Self::Finished(finished) => &finished.folder.manifest,
        }
    }

    fn refuse_other(&self, asked_for: &Manifest) -> Result<(), CacheError> {
        match self {
            Self::Unfinished(writer) => writer.folder.refuse_other(asked_for),
            Self::Finished(finished) => finished.folder.refuse_other(asked_for),
        }
    }

    fn find(path: &Path) -> Result<Option<Self>, CacheError> {
        // In this order: a process that finishes writes the one before it removes the other.
        let partial = read_settings(&path.join(PARTIAL_FILE));
        let folder = |manifest| Folder { path: path.to_owned(), manifest };
        if let Some(whole) = read_settings(&path.join(MANIFEST_FILE))? {
            // Beside a whole manifest the other is a leftover, in whatever state.
            return Ok(Some(Self::Finished(FinishedDump { folder: folder(whole) })));
        }
        Ok(partial?.map(|manifest| Self::Unfinished(CacheWriter::of(folder(manifest)))))
    }
}

/// A folder and the settings of the dump in it.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    manifest: Manifest,
}

impl Folder {
    fn refuse_other(&self, asked_for: &Manifest) -> Result<(), CacheError> {
        let difference = asked_for.difference(&self.manifest).or_else(|| {
            let differences = plan::differences(&self.manifest.views, &asked_for.views);
            (!differences.is_empty()).then(|| differences.join("; "))
        });
        match difference {
            Some(difference) => Err(CacheError::OtherDump { path: self.path.clone(), difference }),
            None => Ok(()),
        }
    }

    /// The folder of a view, made where it is not there, without what killed processes have left in it.
    fn tidy_view(&self, id: ViewId) -> Result<(), CacheError> {
        let folder = self.path.join(id.to_string());
        std::fs::create_dir_all(&folder).map_err(|source| CacheError::io("create", &folder, source))?;
        Ok(atomic::remove_leftovers(&folder)?)
    }

    /// Starts one shard of a view; if another process finishes it first, that one stays.
    fn shard(&self, plan: &ViewPlan, index: usize) -> Result<ShardWriter, CacheError> {
        let path = self.path.join(plan.file(index));
        let rows = plan.shards().get(index).cloned().unwrap_or(0..0);
        let (Some(labels), Some(ids)) = (plan.labels.get(rows.clone()), plan.sample_ids.get(rows.clone()))
        else {
            return Err(CacheError::WrongRows { path, expected: plan.labels.len(), got: rows.end });
        };
        ShardWriter::create(&path, self.manifest.dtype, self.manifest.feature_dim, labels, ids)
    }

    fn write_index(&self, id: ViewId, view: &ViewInfo) -> Result<(), CacheError> {
        Ok(atomic::write_atomic(&self.path.join(index::index_path(id)), index::text(view).as_bytes())?)
    }
}

/// The manifest of a finished or unfinished dump, where there is one.
fn read_settings(path: &Path) -> Result<Option<Manifest>, CacheError> {
    match Manifest::read(path)? {
        Some((_, Seal::Broken { expected, got })) => {
            Err(CacheError::ManifestChanged { path: path.to_owned(), expected, got })
        }
        found => Ok(found.map(|(manifest, _)| manifest)),
    }
}

fn pretty(manifest: &Manifest) -> String {
    format!("{}\n", serde_json::to_string_pretty(manifest).unwrap_or_default())
}
