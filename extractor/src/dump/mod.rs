//! Images to features on disk: every view of every split through the frozen backbone, shard by shard.
//!
//! `views` decides what is written and where, `listing` which image file each row is of, `work` what of it is left to do and in which order, `pipeline` computes on
//! one thread and writes on another, and the cache's writer makes each finished shard visible by rename, so that a killed
//! dump goes on at the first missing one. `batch_norm` is the network in training mode, as published stage-2 code has it.

mod batch_norm;
mod listing;
mod pipeline;
mod repair;
mod scratch;
mod views;
mod waiting;
mod work;

pub use repair::{Recorded, recorded_settings, repair};
pub use views::{batch_size, rows_by_bytes, rows_per_shard};

use crate::{
    ExtractError,
    config::{Precision, program},
    datasets::Dataset,
    frozen::Frozen,
    place,
};
use cache::{
    BatchNormMode, CacheError, ClassCounts, Dtype, Dump, FORMAT_VERSION, FeatureCache, Manifest, Steps,
    ViewPlan,
};
use files::atomic;
use listing::Listing;
use program::{interrupt::Interrupt, partition::Partition};
use std::{collections::BTreeMap, path::Path};

/// What a dump writes beside the clean and flipped views, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpSettings {
    /// Number of augmented training views K.
    pub augmented: u32,
    /// Seed of the augmented views' crops and flips, and of the order of shuffled batches.
    pub seed: u64,
    /// Number format of the cache.
    pub dtype: Dtype,
    /// Images of a forward pass.
    pub batch_size: usize,
    /// Rows of a shard; a forward pass never crosses shards, so that a resumed dump computes the same batches.
    pub shard_rows: usize,
    /// Number format of activations, part of what decided the features.
    pub precision: Precision,
    /// Which statistics normalise.
    pub batch_norm: BatchNormMode,
    /// Images that are normalised together with [`BatchNormMode::Train`].
    pub train_batch_size: usize,
    /// The shards that this process writes; the others are left to others.
    pub partition: Partition,
}

/// Whether the work was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The cache is new, or was continued, and is finished now.
    Now,
    /// It was finished already, with the same settings.
    Before,
    /// All shards of the partition are there, and shards of others are not yet.
    Part {
        /// Shards that are not there.
        missing: usize,
    },
}

/// Refuses a folder that no dump could be written to, before a long training starts.
///
/// # Errors
/// [`cache::CacheError::NotEmpty`] for a folder that holds something but no cache.
pub fn check_out(out: &Path) -> Result<(), ExtractError> {
    place::for_folder(out)?;
    // Another partition may be about to write its first file.
    let holds_something = std::fs::read_dir(out)
        .is_ok_and(|entries| entries.flatten().any(|entry| !atomic::is_temporary(&entry.file_name())));
    match FeatureCache::open(out) {
        Err(CacheError::MissingManifest { path }) if holds_something => {
            Err(CacheError::NotEmpty { path }.into())
        }
        _ => Ok(()),
    }
}

/// Writes the cache `out`, or finishes the one that is there with the same settings.
///
/// # Errors
/// The cache's own errors where something else is in the way, [`ExtractError::Interrupted`], [`ExtractError::Torch`], and
/// [`ExtractError::Cache`] for a full disk or features that are not finite.
pub fn dump(
    frozen: &Frozen,
    dataset: &Dataset,
    settings: &DumpSettings,
    out: &Path,
    interrupt: &Interrupt,
) -> Result<Written, ExtractError> {
    refuse_mode_without_statistics(frozen, settings)?;
    let views = views::plan(dataset, settings);
    let plans: Vec<&ViewPlan> = views.iter().map(|view| &view.plan).collect();
    let manifest = manifest(frozen, dataset, settings)?;
    let listing = Listing::of(dataset);
    if let Some(listing) = &listing {
        listing::settle(out, &manifest, &plans, listing)?;
    }
    let Dump::Unfinished(writer) = Dump::begin(out, manifest, plans)? else { return Ok(Written::Before) };
    let lock = match settings.batch_norm {
        BatchNormMode::Eval => writer.together()?,
        // The running statistics go through one process at a time.
        BatchNormMode::Train => match writer.alone()? {
            Some(lock) => Some(lock),
            None => return Ok(Written::Before),
        },
    };
    if let Some(listing) = &listing {
        writer.images(&listing.encode()?)?;
    }
    if let Some(head) = &frozen.head {
        writer.head(head)?;
    }
    pipeline::run(frozen, settings, &writer, &views, interrupt)?;
    let missing = writer.missing().len();
    if missing > 0 && !settings.partition.is_whole() {
        return Ok(Written::Part { missing });
    }
    writer.finish()?;
    drop(lock);
    Ok(Written::Now)
}

/// A transformer has no batch normalisation to set to training mode.
fn refuse_mode_without_statistics(frozen: &Frozen, settings: &DumpSettings) -> Result<(), ExtractError> {
    let has_statistics = frozen.backbone.parameters().statistics().next().is_some();
    match settings.batch_norm {
        BatchNormMode::Train if !has_statistics => Err(ExtractError::InvalidSetting {
            name: "--batch-norm",
            expected: format!("`eval` for {}", frozen.backbone.architecture()),
            got: "`train`".to_owned(),
            hint: "leave it out: the network has no batch normalisation".to_owned(),
        }),
        BatchNormMode::Train | BatchNormMode::Eval => Ok(()),
    }
}

fn manifest(frozen: &Frozen, dataset: &Dataset, settings: &DumpSettings) -> Result<Manifest, ExtractError> {
    let transform = &frozen.transform;
    let mut transforms = BTreeMap::from([
        ("clean".to_owned(), Steps::read(&transform.describe_clean())),
        ("flipped".to_owned(), Steps::read(&transform.describe_flipped())),
        // The last step of every view: its number format decides the features, too.
        ("forward".to_owned(), Steps::read(&format!("activations({})", settings.precision))),
    ]);
    if settings.augmented > 0 {
        let (height, width) = dataset.train.size();
        let steps = transform.describe_augmented(height, width);
        transforms.insert("augmented".to_owned(), Steps::read(&format!("seed({})|{steps}", settings.seed)));
    }
    if settings.batch_norm == BatchNormMode::Train {
        transforms.insert("batch_norm".to_owned(), Steps::read(&batch_norm::describe(settings)));
    }
    Ok(Manifest {
        format_version: FORMAT_VERSION,
        dataset: dataset.info.clone(),
        class_names: dataset.class_names.clone(),
        train_class_counts: ClassCounts::from_labels(&dataset.train.labels, dataset.class_names.len())?,
        feature_dim: frozen.backbone.feature_dim(),
        dtype: settings.dtype,
        backbone: frozen.info.clone(),
        transforms,
        batch_norm: settings.batch_norm,
        program: program(),
        created_unix: 0,
        stage1_head: None,
        batch_norm_statistics: None,
        images: None,
        views: BTreeMap::new(),
    })
}
