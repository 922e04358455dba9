//! Reading: a cache on disk becomes borrowed, checked features.

use crate::{
    classes::{ClassCounts, ClassId},
    error::CacheError,
    manifest::{FileInfo, MANIFEST_FILE, Manifest},
    shard::{Expected, Shard, ShardRows},
    stage1_head::Stage1Head,
    view::{Split, View, ViewId},
    writer::PARTIAL_FILE,
};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

/// An open feature cache: every file mapped and checked, nothing copied but labels and ids.
///
/// ```compile_fail,E0505
/// fn view_outlives_its_cache(cache: shared::FeatureCache) {
///     let view = cache.view(shared::Split::Train, shared::View::Clean).unwrap();
///     drop(cache);
///     view.rows();
/// }
/// ```
#[derive(Debug)]
pub struct FeatureCache {
    path: PathBuf,
    manifest: Manifest,
    views: BTreeMap<ViewId, MappedView>,
    rows: BTreeMap<Split, ShardRows>,
    stage1_head: Option<Stage1Head>,
}

#[derive(Debug)]
struct MappedView {
    shards: Vec<Shard>,
    /// First row of each shard.
    starts: Vec<usize>,
    rows: usize,
}

/// A file whose bytes are not those that were written.
#[derive(Debug)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
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
        let manifest = read_manifest(path)?;
        let mut views = BTreeMap::new();
        let mut rows: BTreeMap<Split, (ViewId, ShardRows)> = BTreeMap::new();
        for (&id, info) in &manifest.views {
            let (view, view_rows) = open_view(path, &manifest, info)?;
            match rows.get(&id.split) {
                None => {
                    rows.insert(id.split, (id, view_rows));
                }
                Some((other, first)) => {
                    if let Some(reason) = disagreement(first, &view_rows) {
                        return Err(CacheError::ViewRowsDisagree {
                            path: path.to_owned(),
                            view: id,
                            other: *other,
                            reason,
                        });
                    }
                }
            }
            views.insert(id, view);
        }
        let rows: BTreeMap<Split, ShardRows> =
            rows.into_iter().map(|(split, (_, rows))| (split, rows)).collect();
        check_class_counts(path, &manifest, rows.get(&Split::Train).map_or(&[], |rows| &rows.labels))?;
        let stage1_head =
            manifest.stage1_head.as_ref().map(|file| open_head(path, &manifest, file)).transpose()?;
        Ok(Self { path: path.to_owned(), manifest, views, rows, stage1_head })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
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
        self.rows.get(&split).map_or(&[], |rows| &rows.labels)
    }

    /// The rows of the source set that a split holds, in row order.
    pub fn sample_ids(&self, split: Split) -> &[i64] {
        self.rows.get(&split).map_or(&[], |rows| &rows.sample_ids)
    }

    /// The stage-1 head, where the cache has one.
    pub fn stage1_head(&self) -> Option<&Stage1Head> {
        self.stage1_head.as_ref()
    }

    /// Every file of a cache, relative to it, as the manifest lists them.
    pub fn files(&self) -> Vec<&FileInfo> {
        let shards =
            self.manifest.views.values().flat_map(|view| view.shards.iter().map(|shard| &shard.file));
        shards.chain(self.manifest.stage1_head.as_ref()).collect()
    }

    /// Reads every byte of a cache and lists the files whose size or checksum is wrong, in manifest order.
    ///
    /// Needs the manifest alone, so that damaged shards are listed instead of stopping at the first.
    ///
    /// # Errors
    /// An unreadable manifest; damaged shards are results, not errors.
    pub fn verify(path: &Path, mut each: impl FnMut(&FileInfo)) -> Result<Vec<Damage>, CacheError> {
        let manifest = read_manifest(path)?;
        let shards = manifest.views.values().flat_map(|view| view.shards.iter().map(|shard| &shard.file));
        let mut damages = Vec::new();
        for file in shards.chain(&manifest.stage1_head) {
            if let Err(error) = check_file(path, file) {
                damages.push(Damage { path: path.join(&file.file), error });
            }
            each(file);
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

fn read_manifest(path: &Path) -> Result<Manifest, CacheError> {
    let file = path.join(MANIFEST_FILE);
    if !file.exists() {
        return Err(if path.join(PARTIAL_FILE).exists() {
            CacheError::UnfinishedDump { path: path.to_owned() }
        } else {
            CacheError::MissingManifest { path: path.to_owned() }
        });
    }
    Manifest::read(&file)
}

fn open_view(
    path: &Path,
    manifest: &Manifest,
    info: &crate::manifest::ViewInfo,
) -> Result<(MappedView, ShardRows), CacheError> {
    let mut view = MappedView { shards: Vec::new(), starts: Vec::new(), rows: 0 };
    let mut rows = ShardRows { labels: Vec::new(), sample_ids: Vec::new() };
    for shard in &info.shards {
        let file = path.join(&shard.file.file);
        check_size(&file, shard.file.bytes)?;
        let expected = Expected {
            // More rows than the address space holds cannot pass the size check of the header.
            rows: usize::try_from(shard.rows).unwrap_or(usize::MAX),
            dim: manifest.feature_dim,
            classes: manifest.classes(),
            dtype: manifest.dtype,
        };
        let (shard, mut shard_rows) = Shard::open(&file, expected)?;
        view.starts.push(view.rows);
        view.rows += shard.rows;
        view.shards.push(shard);
        rows.labels.append(&mut shard_rows.labels);
        rows.sample_ids.append(&mut shard_rows.sample_ids);
    }
    Ok((view, rows))
}

fn open_head(path: &Path, manifest: &Manifest, file: &FileInfo) -> Result<Stage1Head, CacheError> {
    let full = path.join(&file.file);
    check_size(&full, file.bytes)?;
    let head = Stage1Head::read(&full)?;
    if (head.classes, head.dim) != (manifest.classes(), manifest.feature_dim) {
        return Err(CacheError::WrongTensor {
            path: full,
            tensor: "weight".to_owned(),
            expected: format!("[{}, {}]", manifest.classes(), manifest.feature_dim),
            got: format!("[{}, {}]", head.classes, head.dim),
        });
    }
    Ok(head)
}

fn check_size(path: &Path, expected: u64) -> Result<(), CacheError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() == expected => Ok(()),
        Ok(metadata) => Err(CacheError::WrongSize { path: path.to_owned(), expected, got: metadata.len() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(CacheError::MissingShard { path: path.to_owned() })
        }
        Err(error) => Err(CacheError::io("open", path, error)),
    }
}

fn check_file(root: &Path, file: &FileInfo) -> Result<(), CacheError> {
    let path = root.join(&file.file);
    check_size(&path, file.bytes)?;
    let got = crate::writer::digest(&path)?;
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

fn disagreement(first: &ShardRows, other: &ShardRows) -> Option<String> {
    if first.labels.len() != other.labels.len() {
        return Some(format!("{} rows against {}", other.labels.len(), first.labels.len()));
    }
    let rows = |rows: &ShardRows| {
        rows.labels.iter().copied().zip(rows.sample_ids.iter().copied()).collect::<Vec<_>>()
    };
    let row = rows(first).iter().zip(rows(other)).position(|(one, two)| *one != two)?;
    Some(format!("row {row} is another sample"))
}
