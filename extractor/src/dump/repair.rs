//! Damaged shards of a finished cache, computed again.

use super::{DumpSettings, listing::Listing, manifest, pipeline, views};
use crate::{
    ExtractError,
    backbones::{self, Readout, torchscript::ModuleFeatures},
    config::Precision,
    datasets::{Dataset, DatasetKind},
    frozen::{Frozen, HEAD_DIGEST},
    transform::Transform,
};
use cache::{Architecture, BackboneInfo, CacheError, Dump, FileInfo, Manifest, View};
use program::{interrupt::Interrupt, partition::Partition};
use std::path::Path;

/// The settings of the dump that a manifest is of; `batch_size` and `precision` are those of the machine.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] for a cache that no dump wrote.
pub fn recorded_settings(
    there: &Manifest,
    batch_size: usize,
    precision: Precision,
) -> Result<DumpSettings, ExtractError> {
    if !there.transforms.contains_key("forward") {
        return Err(ExtractError::InvalidSetting {
            name: "--repair",
            expected: "a cache of `extractor dump`".to_owned(),
            got: format!("one of other features (`{}`)", there.dataset.name),
            hint: "make it again as it was made".to_owned(),
        });
    }
    let setting = |step: &str| {
        let mut steps = ["batch_norm", "augmented"].iter().filter_map(|name| there.transforms.get(*name));
        steps.find_map(|steps| steps.number(step))
    };
    let augmented = there.views.keys().filter(|id| matches!(id.view, View::Augmented(_)));
    Ok(DumpSettings {
        augmented: u32::try_from(augmented.count()).unwrap_or(u32::MAX),
        seed: setting("seed").unwrap_or(0),
        dtype: there.dtype,
        batch_size,
        shard_rows: views::rows_there(there).0,
        precision,
        batch_norm: there.batch_norm,
        train_batch_size: setting("batch").and_then(|size| usize::try_from(size).ok()).unwrap_or(1),
        partition: Partition::WHOLE,
    })
}

/// What of the network's making a manifest records, beside its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Name of the backbone.
    pub backbone: String,
    /// Factor on its channels.
    pub width: f64,
    /// Where its features were read.
    pub readout: Readout,
    /// What of a TorchScript module was taken.
    pub features: ModuleFeatures,
    /// The digest of a head that came in a file of its own.
    pub head_digest: Option<String>,
    /// From pixels to its input: the transform of backbone and data set in the sizes of the dump.
    pub transform: Transform,
}

impl Recorded {
    /// How the network of a manifest was made.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`] for its data set; [`ExtractError::InvalidSetting`] for a layer or pooling of another
    /// program version.
    pub fn of(there: &Manifest) -> Result<Self, ExtractError> {
        let BackboneInfo { architecture, recipe, layer, pooling, .. } = &there.backbone;
        let Architecture { name, width } = architecture.clone();
        let readout = Readout::from_recorded(layer.as_deref(), pooling.as_deref()).ok_or_else(|| {
            ExtractError::InvalidSetting {
                name: "--repair",
                expected: "a layer and pooling that this program knows".to_owned(),
                got: format!("{} and {}", layer.as_deref().unwrap_or("-"), pooling.as_deref().unwrap_or("-")),
                hint: "use the program version that wrote the cache".to_owned(),
            }
        })?;
        let data = &DatasetKind::named(&there.dataset.name)?.transform;
        let mut transform = match backbones::all().find(|kind| kind.name == name) {
            Some(kind) => kind.transform(data)?,
            // A module has no name in the list, and the pixels of its data set.
            None => data.clone(),
        };
        if let (Some(photo), Some(steps)) = (&mut transform.photo, there.transforms.get("clean")) {
            let size = |step| steps.number(step).and_then(|size| usize::try_from(size).ok());
            photo.resize = size("resize").unwrap_or(photo.resize);
            photo.crop = size("centre-crop").unwrap_or(photo.crop);
        }
        let own = recipe.get("features").and_then(|features| features.as_str()) == Some("output");
        let features = if own { ModuleFeatures::Output } else { ModuleFeatures::BeforeLastLinear };
        let head_digest = recipe.get(HEAD_DIGEST).and_then(|digest| digest.as_str()).map(str::to_owned);
        Ok(Self { backbone: name, width, readout, features, head_digest, transform })
    }
}

/// Computes damaged shards, the head and the running statistics again; each takes its place only where it comes out with the checksum of the manifest.
///
/// # Errors
/// [`ExtractError::InvalidSetting`] where backbone, images or settings are not those of the dump,
/// [`CacheError::OtherBytes`] for the first shard that comes out otherwise, and those of [`super::dump`].
pub fn repair(
    frozen: &Frozen,
    dataset: &Dataset,
    settings: &DumpSettings,
    cache: &Path,
    damaged: Vec<FileInfo>,
    interrupt: &Interrupt,
) -> Result<(), ExtractError> {
    let views = views::plan(dataset, settings);
    let plans = views.iter().map(|view| &view.plan);
    let Dump::Finished(there) = Dump::resume(cache)? else {
        return Err(CacheError::UnfinishedDump { path: cache.to_owned() }.into());
    };
    let asked = manifest(frozen, dataset, settings)?;
    let writer = there.repair(asked, plans, damaged).map_err(|error| match error {
        CacheError::OtherDump { difference, .. } => ExtractError::InvalidSetting {
            name: "--repair",
            expected: "the backbone and images of the dump".to_owned(),
            got: format!("others: {difference}"),
            hint: "give the backbone, data, lists and `--precision` of the dump".to_owned(),
        },
        other => other.into(),
    })?;
    if let Some(head) = &frozen.head {
        writer.head(head)?;
    }
    if let Some(listing) = Listing::of(dataset) {
        writer.images(&listing.encode()?)?;
    }
    writer.drop_damaged_statistics()?;
    pipeline::run(frozen, settings, &writer, &views, interrupt)?;
    Ok(writer.restore_indices()?)
}
