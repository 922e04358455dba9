//! Writing: shards one by one, the manifest last; a killed dump goes on at the first missing shard.
//!
//! Several processes may write to one folder. The first of them announces settings, views and shards in
//! `manifest.partial.json`, the others compare theirs with it; of two that write the same shard the first stays; and
//! whoever finds every shard there may finish.

mod anew;
mod takeover;

use crate::{
    digest,
    error::CacheError,
    index,
    manifest::{FileInfo, MANIFEST_FILE, Manifest, ShardInfo, ViewInfo},
    plan::{self, ViewPlan},
    seal::Seal,
    shard::{Digests, Expected, Shard, ShardWriter},
    stage1_head::{HEAD_FILE, Stage1Head},
    view::ViewId,
};
use files::{FileError, atomic};
use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The settings of a dump that is not finished yet.
pub(crate) const PARTIAL_FILE: &str = "manifest.partial.json";

/// Running statistics of batch normalisation, where the dump moves them.
const STATISTICS_FILE: &str = "batch_norm.safetensors";

/// The image file of each sample, where the images were files: text in zstd, whose lines are the writer's affair.
pub const IMAGES_FILE: &str = "images.tsv.zst";

/// How often a folder is looked at again that another process writes to.
const ATTEMPTS: usize = 5;

/// A cache that is being written; [`CacheWriter::finish`] makes it one.
#[derive(Debug)]
pub struct CacheWriter {
    path: PathBuf,
    manifest: Manifest,
    finished: bool,
    /// Files to write again, and what they were.
    damaged: BTreeMap<String, FileInfo>,
    digests: Digests,
}

impl CacheWriter {
    /// Starts a dump with these settings and views, or goes on with one that has the same.
    ///
    /// `manifest` holds the settings; its views, head and time are filled in by the writer.
    ///
    /// # Errors
    /// [`CacheError::OtherDump`] where the folder holds a dump with other settings, [`CacheError::NotEmpty`] where it holds
    /// something else, [`CacheError::File`].
    pub fn begin<'plan>(
        path: &Path,
        manifest: Manifest,
        plans: impl IntoIterator<Item = &'plan ViewPlan>,
    ) -> Result<Self, CacheError> {
        std::fs::create_dir_all(path).map_err(|source| CacheError::io("create", path, source))?;
        let manifest = Manifest { views: plan::announce(plans), ..manifest };
        for _ in 0..ATTEMPTS {
            if let Some(mut there) = Self::find(path)? {
                there.refuse_other(&manifest)?;
                atomic::remove_leftovers(path)?;
                if there.finished {
                    // What a kill leaves between the last two steps.
                    let _ = std::fs::remove_file(path.join(PARTIAL_FILE));
                } else {
                    // The program that began a dump signs it, so that a resumed dump ends with the same bytes.
                    there.manifest = Manifest { program: there.manifest.program, ..manifest };
                }
                return Ok(there);
            }
            let entries = std::fs::read_dir(path).map_err(|source| CacheError::io("read", path, source))?;
            // A kill before the first rename leaves temporary files only.
            let foreign = entries.flatten().any(|entry| !atomic::is_temporary(&entry.file_name()));
            if !foreign && atomic::write_new(&path.join(PARTIAL_FILE), pretty(&manifest).as_bytes())? {
                return Ok(Self {
                    path: path.to_owned(),
                    manifest,
                    finished: false,
                    damaged: BTreeMap::new(),
                    digests: Digests::default(),
                });
            }
            // Something is there: another process may have begun the same dump just now.
        }
        Err(CacheError::NotEmpty { path: path.to_owned() })
    }

    /// The dump that is in a folder, with the views and shards that were announced when it was begun.
    ///
    /// # Errors
    /// [`CacheError::MissingManifest`] where there is none, [`CacheError::UnfinishedDump`] where it announces no views,
    /// [`CacheError::InvalidManifest`], [`CacheError::File`].
    pub fn resume(path: &Path) -> Result<Self, CacheError> {
        match Self::find(path)? {
            None => Err(CacheError::MissingManifest { path: path.to_owned() }),
            // Begun by a version that announced nothing.
            Some(there) if there.manifest.views.is_empty() => {
                Err(CacheError::UnfinishedDump { path: path.to_owned() })
            }
            Some(there) => Ok(there),
        }
    }

    /// Writes files of a finished cache again, with the settings and views that it was dumped with: only these shards are
    /// missing, and each takes its place where it comes out with the checksum of the manifest.
    ///
    /// # Errors
    /// As [`CacheWriter::resume`]; [`CacheError::UnfinishedDump`], [`CacheError::OtherDump`].
    pub fn repair<'plan>(
        path: &Path,
        manifest: Manifest,
        plans: impl IntoIterator<Item = &'plan ViewPlan>,
        damaged: impl IntoIterator<Item = FileInfo>,
    ) -> Result<Self, CacheError> {
        let mut there = Self::resume(path)?;
        if !there.finished {
            return Err(CacheError::UnfinishedDump { path: path.to_owned() });
        }
        there.refuse_other(&Manifest { views: plan::announce(plans), ..manifest })?;
        there.damaged = damaged.into_iter().map(|file| (file.file.clone(), file)).collect();
        Ok(there)
    }

    fn find(path: &Path) -> Result<Option<Self>, CacheError> {
        // In this order: a process that finishes writes the one before it removes the other.
        let partial = read_settings(&path.join(PARTIAL_FILE));
        let whole = read_settings(&path.join(MANIFEST_FILE))?;
        // Beside a whole manifest the other is a leftover, in whatever state.
        let partial = if whole.is_some() { None } else { partial? };
        let finished = whole.is_some();
        Ok(whole.or(partial).map(|manifest| Self {
            path: path.to_owned(),
            manifest,
            finished,
            damaged: BTreeMap::new(),
            digests: Digests::default(),
        }))
    }

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
    /// [`CacheError::File`].
    pub fn missing_shards(&self, plan: &ViewPlan) -> Result<Vec<usize>, CacheError> {
        let folder = self.path.join(plan.id.to_string());
        std::fs::create_dir_all(&folder).map_err(|source| CacheError::io("create", &folder, source))?;
        atomic::remove_leftovers(&folder)?;
        let shards = plan.shards();
        Ok(shards
            .iter()
            .enumerate()
            .filter(|(index, rows)| {
                if self.finished {
                    self.damaged.contains_key(&plan.file(*index))
                } else {
                    !self.is_whole(plan, *index, rows)
                }
            })
            .map(|(index, _)| index)
            .collect())
    }

    /// Starts one shard of a view; if another process finishes it first, that one stays.
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
        let before = self.damaged.get(&plan.file(index)).cloned();
        if before.is_none() && !self.is_whole(plan, index, &rows) {
            // Damaged, or not there.
            let _ = std::fs::remove_file(&path);
        }
        Ok(ShardWriter::create(&path, self.manifest.dtype, self.manifest.feature_dim, labels, ids)?
            .replacing(before)
            .digested(self.digests.clone()))
    }

    /// Writes the stage-1 head.
    ///
    /// # Errors
    /// As [`Stage1Head::write`].
    pub fn head(&mut self, head: &Stage1Head) -> Result<(), CacheError> {
        head.write(&self.path.join(HEAD_FILE))
    }

    /// Writes which image file each sample is of.
    ///
    /// # Errors
    /// [`CacheError::File`].
    pub fn images(&self, bytes: &[u8]) -> Result<(), CacheError> {
        Ok(atomic::write_atomic(&self.path.join(IMAGES_FILE), bytes)?)
    }

    /// Writes the head of a finished cache again, where it is damaged and comes out with the checksum of the manifest.
    ///
    /// # Errors
    /// [`CacheError::OtherBytes`], and those of [`Stage1Head::write`].
    pub fn repair_head(&self, head: &Stage1Head) -> Result<(), CacheError> {
        self.repair_file(HEAD_FILE, &head.encode(&self.path.join(HEAD_FILE))?)
    }

    /// As [`CacheWriter::repair_head`], for [`CacheWriter::images`].
    ///
    /// # Errors
    /// [`CacheError::OtherBytes`], [`CacheError::File`].
    pub fn repair_images(&self, bytes: &[u8]) -> Result<(), CacheError> {
        self.repair_file(IMAGES_FILE, bytes)
    }

    fn repair_file(&self, name: &str, bytes: &[u8]) -> Result<(), CacheError> {
        let Some(before) = self.damaged.get(name) else { return Ok(()) };
        let path = self.path.join(name);
        let got = blake3::hash(bytes).to_hex().to_string();
        if got != before.blake3 {
            return Err(CacheError::OtherBytes { path, expected: before.blake3.clone(), got });
        }
        Ok(atomic::write_atomic(&path, bytes)?)
    }

    /// Removes the running statistics of a finished cache where they are damaged: the dump's passes make them again.
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

    /// Keeps other processes out until the file returned is dropped, for what must not be computed twice at once; `None`
    /// where another process has finished the dump meanwhile.
    ///
    /// # Errors
    /// [`FileError::InUse`], [`CacheError::File`].
    pub fn alone(&self) -> Result<Option<File>, CacheError> {
        let path = self.path.join(PARTIAL_FILE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| CacheError::io("open", &path, source))?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(FileError::InUse { path: self.path.clone() }.into()),
            // Where a file system has no locks, the user must see to it.
            Ok(()) | Err(TryLockError::Error(_)) => {
                Ok((!self.path.join(MANIFEST_FILE).exists()).then_some(file))
            }
        }
    }

    /// Where the running statistics go that a dump with [`crate::BatchNormMode::Train`] moves: beside the unfinished dump they
    /// are what it goes on from, in the finished cache what its held-out views were normalised by.
    pub fn statistics_path(&self) -> PathBuf {
        self.path.join(STATISTICS_FILE)
    }

    /// The announced shards that are not on disk, in the order of the views.
    pub fn missing(&self) -> Vec<&str> {
        let shards = self.manifest.views.values().flat_map(|view| &view.shards);
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
            let shards = self.manifest.views.values().map(|view| view.shards.len()).sum();
            return Err(CacheError::MissingShards { path: self.path, missing, shards });
        }
        for (id, mut view) in std::mem::take(&mut self.manifest.views) {
            for shard in &mut view.shards {
                shard.file = self.file_info(std::mem::take(&mut shard.file.file))?;
            }
            self.write_index(id, &view)?;
            self.manifest.views.insert(id, view);
        }
        if self.path.join(HEAD_FILE).exists() {
            self.manifest.stage1_head = Some(self.file_info(HEAD_FILE.to_owned())?);
        }
        if self.statistics_path().exists() {
            self.manifest.batch_norm_statistics = Some(self.file_info(STATISTICS_FILE.to_owned())?);
        }
        if self.path.join(IMAGES_FILE).exists() {
            self.manifest.images = Some(self.file_info(IMAGES_FILE.to_owned())?);
        }
        self.manifest.created_unix = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        atomic::write_atomic(&self.path.join(MANIFEST_FILE), self.manifest.sealed().as_bytes())?;
        // Only a leftover: a cache with both files is finished.
        let _ = std::fs::remove_file(self.path.join(PARTIAL_FILE));
        Ok(self.manifest)
    }

    /// Writes the index of each view of a finished cache that is lost or damaged; the manifest does not list them.
    ///
    /// # Errors
    /// [`CacheError::File`].
    pub fn restore_indices(&self) -> Result<(), CacheError> {
        let lost = |id: ViewId, view: &ViewInfo| index::check(&self.path, id, view).is_err();
        let views = self.manifest.views.iter().filter(|(id, view)| self.finished && lost(**id, view));
        views.into_iter().try_for_each(|(id, view)| self.write_index(*id, view))
    }

    /// Whether a shard has the size and types that belong there.
    fn is_there(&self, shard: &ShardInfo) -> bool {
        let expected = Expected {
            rows: usize::try_from(shard.rows).unwrap_or(usize::MAX),
            dim: self.manifest.feature_dim,
            dtype: self.manifest.dtype,
        };
        Shard::open(&self.path.join(&shard.file.file), expected)
            .is_ok_and(|shard| shard.labels(self.manifest.classes()).is_ok())
    }

    /// Whether a shard is there and holds the samples of the plan.
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
        let blake3 = self.digests.of(&path).map_or_else(|| digest::of_file(&path), Ok)?;
        Ok(FileInfo { file, bytes, blake3 })
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
