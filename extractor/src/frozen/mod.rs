//! A trained network, frozen: from a checkpoint, from another program's file, or trained first.

mod checkpoint;
mod module;
mod pretrained;

use crate::{
    ExtractError,
    backbones::{Backbone, Compute, Readout, torchscript::ModuleFeatures},
    datasets::Dataset,
    stage1::{self, Recipe, TrainOptions},
    transform::Transform,
};
use cache::{BackboneInfo, Stage1Head};
use program::interrupt::Interrupt;
use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
};
use tch::Device;

/// A trained network as it is dumped.
#[derive(Debug)]
pub struct Frozen {
    /// The layers up to the features.
    pub backbone: Backbone,
    /// Architecture, digest and recipe for the manifest.
    pub info: BackboneInfo,
    /// The classifier that was trained with it, where there is one.
    pub head: Option<Stage1Head>,
    /// From pixels to the backbone's input.
    pub transform: Transform,
}

impl Frozen {
    /// Reads features elsewhere, which the manifest then says; the head, which reads the penultimate layer, goes.
    ///
    /// # Errors
    /// Those of [`Backbone::read_at`].
    pub fn read_at(mut self, readout: Readout) -> Result<Self, ExtractError> {
        self.backbone.read_at(readout)?;
        let readout = self.backbone.readout();
        (self.info.layer, self.info.pooling) = readout.recorded();
        if readout != Readout::default() {
            self.head = None;
        }
        Ok(self)
    }

    /// Takes the head of a file of its own, say of text embeddings, in place of the network's.
    ///
    /// # Errors
    /// Those of [`Stage1Head::read`], for a head of other features or classes too.
    fn with_head(mut self, path: &Path, around: Loading<'_>) -> Result<Self, ExtractError> {
        let (dim, classes) = (self.backbone.feature_dim(), around.dataset.class_names.len());
        let (head, notes) = Stage1Head::read(path, dim, Some(classes))?;
        for note in &notes {
            (around.tell)(note);
        }
        let bytes = files::regular::read(path).map_err(ExtractError::io("read", path))?;
        self.info.recipe[HEAD_DIGEST] = blake3::hash(&bytes).to_hex().to_string().into();
        self.head = Some(head);
        Ok(self)
    }

    /// The same network beside a head whose file is not at hand, as its manifest has it.
    #[must_use]
    pub fn beside_head(mut self, digest: Option<String>) -> Self {
        if let Some(digest) = digest {
            self.info.recipe[HEAD_DIGEST] = digest.into();
            self.head = None;
        }
        self
    }
}

/// The key of [`BackboneInfo::recipe`] with the digest of a head's own file; absent where the head is the network's.
pub const HEAD_DIGEST: &str = "head_digest";

/// Where a frozen network comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum BackboneSource {
    /// A checkpoint of `extractor train`.
    Checkpoint {
        /// Its folder or file.
        path: PathBuf,
        /// Which training images it may have.
        trained_on: TrainedOn,
        /// What it must have been trained with.
        asked: Asked,
    },
    /// Weights of a network that is built by name.
    Weights {
        /// A safetensors file.
        path: PathBuf,
        /// A name of [`crate::backbones::all`].
        backbone: String,
        /// Factor on its channels.
        width: f64,
        /// From pixels to its input.
        transform: Transform,
    },
    /// A TorchScript module.
    TorchScript {
        /// Its file.
        path: PathBuf,
        /// What of it is taken.
        features: ModuleFeatures,
        /// From pixels to its input.
        transform: Transform,
    },
    /// None is there: it is trained first.
    Trained {
        /// How.
        recipe: Box<Recipe>,
        /// Folder of its checkpoint.
        folder: PathBuf,
    },
}

/// Which images a checkpoint may have been trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainedOn {
    /// The training images that are dumped.
    ThisData,
    /// Any.
    AnyData,
}

/// What was typed about a network that a checkpoint brings along; what is there must be the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// Name of the backbone.
    pub backbone: Option<String>,
    /// Factor on its channels.
    pub width: Option<f64>,
    /// Shorter side of photographs before the crop.
    pub resize: Option<NonZeroUsize>,
    /// Side of the crop.
    pub crop: Option<NonZeroUsize>,
}

/// What a network is loaded beside.
#[derive(Clone, Copy, Debug)]
pub struct Loading<'a> {
    /// Where and how it computes.
    pub compute: Compute,
    /// The images that it is for.
    pub dataset: &'a Dataset,
    /// Where its features are read.
    pub readout: Readout,
    /// A head in a file of its own, in place of the network's.
    pub head: Option<&'a Path>,
    /// A request to stop a training.
    pub interrupt: &'a Interrupt,
    /// Gets what a person should know.
    pub tell: fn(&str),
}

impl BackboneSource {
    /// Loads the network, or trains it first; `readout` decides where its features are read.
    ///
    /// # Errors
    /// Those of the file's format; [`ExtractError::OtherData`] for a checkpoint of other images;
    /// [`ExtractError::InvalidSetting`] for what was asked of a checkpoint or module that it does not have.
    pub fn load(&self, around: Loading<'_>) -> Result<Frozen, ExtractError> {
        let frozen = match self {
            Self::Checkpoint { path, trained_on, asked } => {
                checkpoint::load(path, *trained_on, asked, around)?
            }
            Self::Weights { path, backbone, width, transform } => {
                pretrained::load(path, (backbone, *width), transform, around)?
            }
            Self::TorchScript { path, features, transform } => {
                module::load(path, *features, transform, around)?
            }
            Self::Trained { recipe, folder } => {
                train(recipe, folder, around)?;
                checkpoint::load(folder, TrainedOn::ThisData, &Asked::default(), around)?
            }
        };
        let had_head = frozen.head.is_some();
        let frozen = frozen.read_at(around.readout)?;
        if let Some(photo) = &frozen.transform.photo {
            frozen.backbone.check_side(photo.crop)?;
        }
        if let Some(head) = around.head {
            return frozen.with_head(head, around);
        }
        if had_head && frozen.head.is_none() {
            (around.tell)("the head reads other features than these: the cache gets no stage-1 head");
        }
        Ok(frozen)
    }
}

/// Trains into a folder, or continues the run that is there.
fn train(recipe: &Recipe, folder: &Path, around: Loading<'_>) -> Result<(), ExtractError> {
    stage1::check_out(folder)?;
    // A layer that the network lacks is found before a long training.
    let trial = Compute { device: Device::Cpu, precision: recipe.precision, layout: recipe.layout };
    Backbone::unset(&recipe.backbone, recipe.width, trial)?.read_at(around.readout)?;
    let options =
        TrainOptions { device: around.compute.device, eval_every: NonZeroU32::MIN, keep_best: None };
    let outcome = stage1::train(around.dataset, recipe, &options, folder, around.interrupt)?;
    if !outcome.was_finished {
        (around.tell)(&format!("trained {} epochs into `{}`", recipe.epochs, folder.display()));
    }
    Ok(())
}

/// The head, unless it is for other classes; says why the cache gets none.
fn fitting_head(head: Option<Stage1Head>, path: &Path, around: Loading<'_>) -> Option<Stage1Head> {
    let (file, classes) = (path.display(), around.dataset.class_names.len());
    match head {
        _ if around.head.is_some() => None,
        Some(head) if head.classes == classes => Some(head),
        Some(head) => {
            (around.tell)(&format!(
                "the head in `{file}` has {} classes, the data {classes}: the cache gets no stage-1 head",
                head.classes
            ));
            None
        }
        None => {
            (around.tell)(&format!("`{file}` has no head: the cache gets no stage-1 head"));
            None
        }
    }
}
