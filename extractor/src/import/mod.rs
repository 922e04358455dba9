//! Features of another program become a feature cache: safetensors files, NumPy archives, or pairs of NumPy files.
//!
//! One file of numbers is a [`matrix::Matrix`]; the files of one split are a [`split::ImportedSplit`]; [`write()`] checks
//! that the splits fit together and writes them as the views of a cache.

mod divide;
mod formats;
mod identity;
mod leavings;
pub mod matrix;
pub mod split;

use crate::{
    config::program,
    datasets::{Fractions, names, remarks, subset::index_digest},
    dump::{Written, rows_by_bytes},
    error::ExtractError,
};
use cache::{
    Architecture, BackboneInfo, BatchNormMode, CacheWriter, ClassCounts, DatasetInfo, Dtype, Dump,
    FORMAT_VERSION, Manifest, ShardStore, Split, Stage1Head, Steps, View, ViewId, ViewPlan,
};
use files::{FolderLock, text};
use matrix::NUMBERS_AT_ONCE;
use program::{interrupt::Interrupt, progress::Progress};
use split::ImportedSplit;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A training set may have this many classes however few samples it has.
const CLASSES_WITHOUT_QUESTION: usize = 100_000;

/// What to import, and as what.
#[derive(Debug)]
pub struct Import {
    /// The splits; `Train` is among them.
    pub splits: BTreeMap<Split, ImportedSplit>,
    /// Safetensors file with `weight` `[C, D]` and optionally `bias` `[C]`.
    pub head: Option<PathBuf>,
    /// What the manifest calls the data set.
    pub name: String,
    /// What the manifest calls the backbone.
    pub backbone: String,
    /// File with the names of the classes; `None` numbers them.
    pub class_names: Option<PathBuf>,
    /// The splits that are drawn from the training rows.
    pub fractions: Fractions,
    /// Number format of the cache; `None` keeps the training features' own.
    pub dtype: Option<Dtype>,
    /// Rows of a shard; `None` keeps shards below 256 MB.
    pub shard_rows: Option<usize>,
}

/// Checks that the splits fit together and writes the cache; `tell` gets what a person should know.
///
/// Nothing is written before everything is checked, and an unfinished import of other files makes way.
///
/// # Errors
/// [`ExtractError::Malformed`] where splits or head disagree about D or C, or a number is not finite in the cache's format, [`ExtractError::Interrupted`], and those of the cache.
pub fn write(
    mut import: Import,
    out: &Path,
    interrupt: &Interrupt,
    tell: &dyn Fn(&str),
) -> Result<Written, ExtractError> {
    let (splits, drawn) = divide::divide(std::mem::take(&mut import.splits), &import.fractions)?;
    import.splits = splits;
    let import = &import;
    let train = import.splits.get(&Split::Train).ok_or_else(|| ExtractError::NotFound {
        path: out.to_owned(),
        expected: "a training split".to_owned(),
        hint: "give `--train` or `--train-features` and `--train-labels`".to_owned(),
    })?;
    identity::refuse_empty(&import.splits)?;
    let dim = train.features.columns();
    let head = import.head.as_deref().map(|path| Stage1Head::read(path, dim, None)).transpose()?;
    let (head, notes) = head.unzip();
    let classes = classes(train, head.as_ref())?;
    check(import, train, classes)?;
    let dtype = import.dtype.unwrap_or_else(|| train.features.nearest_dtype());
    import
        .splits
        .values()
        .flat_map(ImportedSplit::views)
        .try_for_each(|(_, matrix)| matrix.check_finite(dtype))?;
    let warning = classes_without_rows(train, classes);
    notes.iter().flatten().chain(&warning).for_each(|note| tell(note));
    let shard_rows = import.shard_rows.unwrap_or_else(|| rows_by_bytes(dim, dtype));
    let views: Vec<_> = import
        .splits
        .iter()
        .flat_map(|(&split, imported)| imported.views().map(move |view| (split, imported, view)))
        .collect();
    let plan = |&(split, imported, (view, _)): &(Split, &ImportedSplit, _)| ViewPlan {
        id: ViewId::new(split, view),
        labels: imported.labels.clone(),
        sample_ids: imported.sample_ids.clone(),
        shard_rows,
    };
    let plans: Vec<ViewPlan> = views.iter().map(plan).collect();
    let mut manifest = manifest(import, train, classes, dtype)?;
    manifest.dataset.overlaps = identity::overlaps(&import.splits, dtype)?;
    if let Some(path) = &import.class_names {
        manifest.class_names = names::read(path, classes)?;
    }
    if let Some((info, left_out)) = drawn {
        manifest.dataset.drawn = Some(info);
        manifest.dataset.left_out.extend(left_out);
    }
    remark(import, &manifest, tell);
    let _lock = FolderLock::alone(out)?;
    let Dump::Unfinished(writer) = leavings::begin(out, &manifest, &plans)? else {
        return Ok(Written::Before);
    };
    // Before the shards: whoever finds them all there may finish.
    if let Some(head) = &head {
        writer.head(head)?;
    }
    let matrices = views.iter().map(|&(_, _, (_, matrix))| matrix);
    write_rows(&writer, &matrices.zip(&plans).collect::<Vec<_>>(), dim, interrupt, out)?;
    writer.finish()?;
    Ok(Written::Now)
}

/// Says how large drawn splits came out, and which classes a held-out split lacks.
fn remark(import: &Import, manifest: &Manifest, tell: &dyn Fn(&str)) {
    let size = |split| import.splits.get(&split).map_or(0, |imported| imported.labels.len());
    if let Some(drawn) = &manifest.dataset.drawn {
        tell(&remarks::realised(drawn, [Split::Train, Split::Val, Split::Test].map(size), "rows"));
    }
    for left_out in &manifest.dataset.left_out {
        tell(&format!("left out: {left_out}"));
    }
    // Classes that training lacks are named already.
    let trained = import.splits.get(&Split::Train).map(|train| train.labels.as_slice());
    for (&split, imported) in import.splits.iter().filter(|(split, _)| **split != Split::Train) {
        let absent = remarks::absent(&imported.labels, trained, &manifest.class_names, split, "rows");
        if let Some(warning) = absent {
            tell(&warning);
        }
    }
}

/// Writes the shards that are missing, a few rows at a time.
fn write_rows(
    writer: &CacheWriter,
    views: &[(&matrix::Matrix, &ViewPlan)],
    dim: usize,
    interrupt: &Interrupt,
    out: &Path,
) -> Result<(), ExtractError> {
    let mut progress = Progress::new("import", views.iter().map(|(matrix, _)| matrix.rows() as u64).sum());
    let at_once = (NUMBERS_AT_ONCE / dim).max(1);
    for (matrix, plan) in views {
        for index in writer.missing_shards(plan)? {
            let mut shard = writer.shard(plan, index)?;
            let rows = plan.shards().get(index).cloned().unwrap_or(0..0);
            for start in rows.clone().step_by(at_once) {
                if interrupt.requested() {
                    let state = format!("finished shards are in `{}`", out.display());
                    return Err(ExtractError::Interrupted { state });
                }
                let end = rows.end.min(start + at_once);
                shard.push(&matrix.read_rows(start..end))?;
                progress.advance((end - start) as u64);
            }
            shard.finish()?;
        }
    }
    progress.finish();
    Ok(())
}

/// C: the head's where there is one, else what the training labels need.
///
/// Labels far beyond the number of samples are a mistake, and would make a manifest much larger than the file.
fn classes(train: &ImportedSplit, head: Option<&Stage1Head>) -> Result<usize, ExtractError> {
    if let Some(head) = head {
        return Ok(head.classes);
    }
    let limit = train.labels.len().max(CLASSES_WITHOUT_QUESTION);
    let largest = train.labels.iter().enumerate().max_by_key(|(_, label)| **label);
    match largest {
        Some((row, label)) if label.index() >= limit => Err(ExtractError::Malformed {
            path: train.labels_path.clone(),
            expected: format!("labels below {limit}"),
            got: format!("{label} in row {row}"),
            hint: "number the classes from 0 without gaps".to_owned(),
        }),
        largest => Ok(largest.map_or(0, |(_, label)| label.index() + 1)),
    }
}

/// A warning that names classes without training rows: labels from 1 on, gaps, 255 for "no class".
fn classes_without_rows(train: &ImportedSplit, classes: usize) -> Option<String> {
    const LISTED: usize = 8;
    let mut seen = vec![false; classes];
    for label in &train.labels {
        if let Some(seen) = seen.get_mut(label.index()) {
            *seen = true;
        }
    }
    let missing: Vec<usize> =
        (0..classes).zip(&seen).filter(|(_, seen)| !**seen).map(|(class, _)| class).collect();
    let (first, last) = (*missing.first()?, classes.checked_sub(1)?);
    let listed = missing.iter().take(LISTED).map(usize::to_string).collect::<Vec<_>>().join(", ");
    let more = match missing.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let reason = if missing.contains(&last) {
        "the head has more classes than the training labels".to_owned()
    } else if last > 0 && missing.contains(&(last - 1)) {
        format!("label {last} may mark samples without a class: leave them out")
    } else if first == 0 {
        "labels count from 0".to_owned()
    } else {
        "number the classes without gaps, or keep them empty".to_owned()
    };
    Some(format!(
        "warning: `{}` has no training rows of {} of {classes} classes: {listed}{more} ({reason})",
        text::path(&train.labels_path),
        missing.len()
    ))
}

fn check(import: &Import, train: &ImportedSplit, classes: usize) -> Result<(), ExtractError> {
    let dim = train.features.columns();
    let malformed = |path: &Path, expected: String, got: String, hint: &str| {
        Err(ExtractError::Malformed { path: path.to_owned(), expected, got, hint: hint.to_owned() })
    };
    for imported in import.splits.values() {
        for (_, matrix) in imported.views() {
            if matrix.columns() != dim {
                let (expected, got) =
                    (format!("{dim} features, as in training"), matrix.columns().to_string());
                return malformed(matrix.path(), expected, got, "all splits come from one backbone");
            }
        }
        let outside = imported.labels.iter().enumerate().find(|(_, label)| label.index() >= classes);
        if let Some((row, label)) = outside {
            let (expected, got) = (format!("labels below {classes}"), format!("{label} in row {row}"));
            let hint = "the head, or else the training labels, decide the number of classes";
            return malformed(&imported.labels_path, expected, got, hint);
        }
    }
    Ok(())
}

fn manifest(
    import: &Import,
    train: &ImportedSplit,
    classes: usize,
    dtype: Dtype,
) -> Result<Manifest, ExtractError> {
    let mut digest = blake3::Hasher::new();
    for imported in import.splits.values() {
        digest.update(imported.digest.as_bytes());
    }
    let head_digest = import
        .head
        .as_ref()
        .map(|path| files::regular::read(path).map_err(ExtractError::io("read", path)))
        .transpose()?
        .map(|bytes| blake3::hash(&bytes).to_hex().to_string());
    let transforms = [("clean", View::Clean), ("flipped", View::Flipped)]
        .into_iter()
        .filter(|(_, view)| {
            import.splits.values().any(|split| split.views().any(|(other, _)| other == *view))
        })
        .map(|(name, _)| (name.to_owned(), Steps::read("imported")))
        .collect();
    Ok(Manifest {
        format_version: FORMAT_VERSION,
        dataset: DatasetInfo {
            name: import.name.clone(),
            root_digest: digest.finalize().to_hex().to_string(),
            subset: "imported".to_owned(),
            index_digest: digest_of_ids(&train.sample_ids),
            ..DatasetInfo::default()
        },
        class_names: (0..classes).map(|class| class.to_string()).collect(),
        train_class_counts: ClassCounts::from_labels(&train.labels, classes)?,
        feature_dim: train.features.columns(),
        dtype,
        backbone: BackboneInfo {
            architecture: Architecture::read(&import.backbone),
            weights_digest: String::new(),
            recipe: serde_json::json!({ "source": "import", "head_digest": head_digest }),
            ..BackboneInfo::default()
        },
        transforms,
        batch_norm: BatchNormMode::Eval,
        program: program(),
        created_unix: 0,
        stage1_head: None,
        batch_norm_statistics: None,
        images: None,
        views: BTreeMap::new(),
    })
}

/// SHA-256 of the sample ids as little-endian u32; empty where an id does not fit.
fn digest_of_ids(sample_ids: &[i64]) -> String {
    let indices: Result<Vec<u32>, _> = sample_ids.iter().map(|&id| u32::try_from(id)).collect();
    indices.map(|indices| index_digest(&indices)).unwrap_or_default()
}
