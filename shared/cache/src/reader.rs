//! Reading: a cache on disk becomes borrowed, checked features.

use crate::{
    classes::{ClassCounts, ClassId},
    error::CacheError,
    index,
    manifest::{FileInfo, MANIFEST_FILE, Manifest},
    mapped_view::{MappedView, check_size},
    seal::Seal,
    shard::Shard,
    stage1_head::Stage1Head,
    stamp::Stamps,
    view::{Split, View, ViewId},
    writer::PARTIAL_FILE,
};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

/// An open feature cache: every file mapped and checked, nothing copied but the labels.
///
/// ```compile_fail,E0505
/// fn view_outlives_its_cache(cache: cache::FeatureCache) {
///     let view = cache.view(cache::Split::Train, cache::View::Clean).unwrap();
///     drop(cache);
///     view.rows();
/// }
/// ```
#[derive(Debug)]
pub struct FeatureCache {
    path: PathBuf,
    manifest: Manifest,
    views: BTreeMap<ViewId, MappedView>,
    labels: BTreeMap<Split, Vec<ClassId>>,
    stage1_head: Option<Stage1Head>,
    adopted: Option<String>,
    stamps: Stamps,
    sealed: bool,
}

/// A file whose bytes are not those that were written.
#[derive(Debug)]
pub struct Damage {
    /// The file as the manifest has it.
    pub file: FileInfo,
    /// What is wrong with it.
    pub error: CacheError,
}

impl FeatureCache {
    /// Opens a cache: reads the manifest, maps every shard, checks headers, sizes, types, label ranges and equal rows of views.
    ///
    /// Checksums are left to [`FeatureCache::verify`], so that opening costs milliseconds at any size.
    ///
    /// # Errors
    /// A variant of [`CacheError`] for each way in which a cache can be wrong.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let (manifest, seal) = read_manifest(path)?;
        if let Seal::Broken { expected, got } = seal {
            return Err(CacheError::ManifestChanged { path: path.join(MANIFEST_FILE), expected, got });
        }
        let files = manifest.files().map(|file| path.join(&file.file));
        let stamps = Stamps::of(files.chain([path.join(MANIFEST_FILE)]));
        let (mut views, mut labels) = (BTreeMap::new(), BTreeMap::new());
        // The first view of a split gives its rows; the others must hold the same bytes.
        let mut first: BTreeMap<Split, ViewId> = BTreeMap::new();
        for (&id, info) in &manifest.views {
            let view = MappedView::open(path, &manifest, info)?;
            match first.get(&id.split).and_then(|other| Some((*other, views.get(other)?))) {
                None => {
                    first.insert(id.split, id);
                    labels.insert(id.split, view.labels(manifest.classes())?);
                }
                Some((other, known)) => {
                    if let Some(reason) = view.disagreement(known) {
                        return Err(CacheError::ViewRowsDisagree {
                            path: path.to_owned(),
                            view: id,
                            other,
                            reason,
                        });
                    }
                }
            }
            views.insert(id, view);
        }
        check_class_counts(path, &manifest, labels.get(&Split::Train).map_or(&[], Vec::as_slice))?;
        let stage1_head =
            manifest.stage1_head.as_ref().map(|file| open_head(path, &manifest, file)).transpose()?;
        let sealed = seal == Seal::Whole;
        Ok(Self {
            path: path.to_owned(),
            manifest,
            views,
            labels,
            stage1_head,
            adopted: None,
            stamps,
            sealed,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the manifest carries a digest of itself; those of earlier versions do not, and edits of them cannot be found.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// What decided the bytes.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The identity of the cached features: see [`Manifest::cache_key`].
    pub fn cache_key(&self) -> String {
        self.manifest.cache_key()
    }

    /// n_k of the training split.
    pub fn class_counts(&self) -> &ClassCounts {
        &self.manifest.train_class_counts
    }

    /// Features of one sample, D.
    pub fn dim(&self) -> usize {
        self.manifest.feature_dim
    }

    /// Whether a view is there.
    pub fn has(&self, split: Split, view: View) -> bool {
        self.views.contains_key(&ViewId::new(split, view))
    }

    /// The views of a split, in name order.
    pub fn views(&self, split: Split) -> Vec<View> {
        self.manifest.views_of(split).collect()
    }

    /// The features of a view.
    ///
    /// # Errors
    /// [`CacheError::MissingView`], with the views that are there.
    pub fn view(&self, split: Split, view: View) -> Result<FeatureView<'_>, CacheError> {
        let id = ViewId::new(split, view);
        let mapped = self.views.get(&id).ok_or_else(|| CacheError::MissingView {
            path: self.path.clone(),
            view: id.to_string(),
            available: self.views.keys().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })?;
        Ok(FeatureView { mapped, dim: self.dim() })
    }

    /// The labels of a split, in row order; empty where the cache lacks the split.
    pub fn labels(&self, split: Split) -> &[ClassId] {
        self.labels.get(&split).map_or(&[], Vec::as_slice)
    }

    /// The rows of the source set that a split holds, in row order; read when asked for.
    pub fn sample_ids(&self, split: Split) -> Vec<i64> {
        let view = self.views.iter().find(|(id, _)| id.split == split).map(|(_, view)| view);
        view.into_iter().flat_map(|view| &view.shards).flat_map(Shard::sample_ids).collect()
    }

    /// The stage-1 head, where the cache has one.
    pub fn stage1_head(&self) -> Option<&Stage1Head> {
        self.stage1_head.as_ref()
    }

    /// Takes a head that was made for these features elsewhere as their stage-1 head; `digest` names it in what is made with it.
    /// The cache on disk stays as it is.
    pub fn adopt_head(&mut self, head: Stage1Head, digest: String) {
        self.stage1_head = Some(head);
        self.adopted = Some(digest);
    }

    /// The digest of the head that was adopted; `None` where the stage-1 head is the cache's own, or there is none.
    pub fn adopted_head(&self) -> Option<&str> {
        self.adopted.as_deref()
    }

    /// The first file that was written to, replaced or removed since the cache was opened: what was read since may be neither
    /// the old bytes nor the new ones.
    pub fn first_change(&self) -> Option<&Path> {
        self.stamps.first_change()
    }

    /// Checks the checksums of the files that were written to after the manifest, which is written last: what wrote to them may
    /// have been something else. A copy that does not keep times is read once more by this, an untouched cache not at all.
    ///
    /// # Errors
    /// [`CacheError::ChecksumMismatch`] and [`CacheError::WrongSize`], of the first file whose bytes are not the manifest's.
    pub fn check_written_since(&self) -> Result<(), CacheError> {
        let written =
            |file: &str| std::fs::metadata(self.path.join(file)).and_then(|file| file.modified()).ok();
        let finished = written(MANIFEST_FILE);
        let later = self.manifest.files().filter(|file| written(&file.file) > finished);
        later.into_iter().try_for_each(|file| check_file(&self.path, file))
    }

    /// Every file of a cache, relative to it, as the manifest lists them.
    pub fn files(&self) -> Vec<&FileInfo> {
        self.manifest.files().collect()
    }

    /// Reads every byte of a cache and lists the files whose size or checksum is wrong: the manifest itself, then in its order,
    /// then the indices of the views, which `each` does not hear of.
    ///
    /// Needs the manifest alone, so that damaged shards are listed instead of stopping at the first.
    ///
    /// # Errors
    /// An unreadable manifest; damaged shards are results, not errors.
    pub fn verify(path: &Path, mut each: impl FnMut(&FileInfo)) -> Result<Vec<Damage>, CacheError> {
        let (manifest, seal) = read_manifest(path)?;
        let mut damages = Vec::new();
        if let Seal::Broken { expected, got } = seal {
            let file = path.join(MANIFEST_FILE);
            let bytes = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
            damages.push(Damage {
                file: FileInfo { file: MANIFEST_FILE.to_owned(), bytes, blake3: got.clone() },
                error: CacheError::ManifestChanged { path: file, expected, got },
            });
        }
        for file in manifest.files() {
            if let Err(error) = check_file(path, file) {
                damages.push(Damage { file: file.clone(), error });
            }
            each(file);
        }
        for (&id, view) in &manifest.views {
            if let Err(error) = index::check(path, id, view) {
                damages.push(Damage { file: index::info(id, view), error });
            }
        }
        Ok(damages)
    }
}

/// Borrowed features of one view, `[N, D]`, in row order over its shards.
#[derive(Clone, Copy, Debug)]
pub struct FeatureView<'cache> {
    mapped: &'cache MappedView,
    dim: usize,
}

impl<'cache> FeatureView<'cache> {
    /// Samples N.
    pub fn rows(&self) -> usize {
        self.mapped.rows
    }

    /// Features D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Copies consecutive rows, widened to f32, into `out` `[range.len(), D]`.
    ///
    /// # Errors
    /// [`CacheError::WrongRows`] where the range leaves the view or `out` has another size.
    pub fn read_rows(&self, range: Range<usize>, out: &mut [f32]) -> Result<(), CacheError> {
        let expected = range.len() * self.dim;
        if out.len() != expected || range.end > self.rows() {
            return Err(self.wrong_rows(expected, out.len()));
        }
        for (row, out) in range.zip(out.chunks_exact_mut(self.dim)) {
            self.widen_row(row, out);
        }
        Ok(())
    }

    /// Copies the rows of `indices`, widened to f32, into `out` `[indices.len(), D]`.
    ///
    /// # Errors
    /// [`CacheError::WrongRows`] where an index leaves the view or `out` has another size.
    pub fn gather(&self, indices: &[u32], out: &mut [f32]) -> Result<(), CacheError> {
        let expected = indices.len() * self.dim;
        if out.len() != expected || indices.iter().any(|&row| row as usize >= self.rows()) {
            return Err(self.wrong_rows(expected, out.len()));
        }
        for (&row, out) in indices.iter().zip(out.chunks_exact_mut(self.dim)) {
            self.widen_row(row as usize, out);
        }
        Ok(())
    }

    /// The stored bytes of every shard, borrowed from the map: `(rows, bytes)` in row order.
    pub fn stored(&self) -> impl Iterator<Item = (usize, &'cache [u8])> + use<'cache> {
        self.mapped.shards.iter().map(|shard| (shard.rows, shard.features()))
    }

    /// The first feature that is NaN or infinite, as an error that names its shard and row.
    ///
    /// # Errors
    /// [`CacheError::NonFinite`].
    pub fn check_finite(&self) -> Result<(), CacheError> {
        let mut numbers = vec![0.0_f32; self.dim];
        for shard in &self.mapped.shards {
            for row in 0..shard.rows {
                shard.widen(row * self.dim, &mut numbers);
                if !numbers.iter().all(|number| number.is_finite()) {
                    return Err(CacheError::NonFinite { path: shard.path.clone(), row });
                }
            }
        }
        Ok(())
    }

    fn widen_row(&self, row: usize, out: &mut [f32]) {
        let index = self.mapped.starts.partition_point(|&start| start <= row).saturating_sub(1);
        if let (Some(shard), Some(start)) = (self.mapped.shards.get(index), self.mapped.starts.get(index)) {
            shard.widen((row - start) * self.dim, out);
        }
    }

    fn wrong_rows(&self, expected: usize, got: usize) -> CacheError {
        let path = self.mapped.shards.first().map(|shard| shard.path.clone()).unwrap_or_default();
        CacheError::WrongRows { path, expected, got }
    }
}

fn read_manifest(path: &Path) -> Result<(Manifest, Seal), CacheError> {
    let file = path.join(MANIFEST_FILE);
    // In this order: a dump that ends just now writes the one before it removes the other.
    let begun = path.join(PARTIAL_FILE).exists();
    let (manifest, seal) = Manifest::read(&file)?.ok_or_else(|| {
        if begun {
            CacheError::UnfinishedDump { path: path.to_owned() }
        } else {
            CacheError::MissingManifest { path: path.to_owned() }
        }
    })?;
    manifest.check().map_err(|reason| CacheError::InvalidManifest { path: file, reason })?;
    Ok((manifest, seal))
}

fn open_head(path: &Path, manifest: &Manifest, file: &FileInfo) -> Result<Stage1Head, CacheError> {
    let full = path.join(&file.file);
    check_size(&full, file.bytes)?;
    let read = Stage1Head::read(&full, manifest.feature_dim, Some(manifest.classes()));
    read.map(|(head, _)| head).map_err(|error| match error {
        // This file is the cache's own, not one that the user gave.
        CacheError::MalformedHead { path, expected, got, .. } => {
            CacheError::WrongTensor { path, tensor: "weight".to_owned(), expected, got }
        }
        other => other,
    })
}

fn check_file(root: &Path, file: &FileInfo) -> Result<(), CacheError> {
    let path = root.join(&file.file);
    check_size(&path, file.bytes)?;
    let got = crate::digest::of_file(&path)?;
    if got == file.blake3 {
        Ok(())
    } else {
        Err(CacheError::ChecksumMismatch { path, expected: file.blake3.clone(), got })
    }
}

fn check_class_counts(path: &Path, manifest: &Manifest, labels: &[ClassId]) -> Result<(), CacheError> {
    let mut counts = vec![0_u64; manifest.classes()];
    for label in labels {
        // Label ranges were checked when the shards were opened.
        if let Some(count) = counts.get_mut(label.index()) {
            *count += 1;
        }
    }
    let expected = manifest.train_class_counts.counts();
    match counts.iter().zip(expected).position(|(got, expected)| got != expected) {
        None => Ok(()),
        Some(class) => Err(CacheError::ClassCountsDisagree {
            path: path.to_owned(),
            class,
            expected: expected.get(class).copied().unwrap_or(0),
            got: counts.get(class).copied().unwrap_or(0),
        }),
    }
}
