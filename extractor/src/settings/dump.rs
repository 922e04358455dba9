//! Settings of `dump`.

use super::{Data, Machine, network::NetworkFile, recipe, says};
use crate::{
    ExtractError,
    backbones::{Readout, torchscript::ModuleFeatures},
    cli::DumpArgs,
    dump::{DumpSettings, batch_size, rows_per_shard},
    frozen::{Asked, BackboneSource, Frozen, TrainedOn},
    stage1::Recipe,
};
use cache::{BatchNormMode, Dtype};
use program::partition::Partition;
use std::{num::NonZeroUsize, path::PathBuf};

/// A dump.
#[derive(Clone, Debug)]
pub struct Dump {
    /// Which samples.
    pub data: Data,
    /// Where and how fast.
    pub machine: Machine,
    /// Where the network comes from.
    pub source: BackboneSource,
    /// Where its features are read.
    pub readout: Readout,
    /// A head in a file of its own.
    pub head: Option<PathBuf>,
    /// Folder of the feature cache.
    pub out: PathBuf,
    augmented: u32,
    seed: u64,
    dtype: Dtype,
    batch_norm: BatchNormMode,
    train_batch_size: usize,
    partition: Partition,
    batch_size: Option<NonZeroUsize>,
    shard_rows: Option<NonZeroUsize>,
}

impl Dump {
    /// # Errors
    /// [`ExtractError::UnknownName`], and [`ExtractError::InvalidSetting`] for a setting outside its range, one that does not fit
    /// the others, or one that says nothing.
    pub fn resolve(args: &DumpArgs) -> Result<Self, ExtractError> {
        let data = Data::resolve(&args.data, recipe::backbone(&args.recipe)?)?;
        let machine = Machine::from(&args.machine);
        let recipe = recipe::resolve(&args.recipe, args.train_batch_size, &machine, &data.transform)
            .map_err(name_as_typed)?;
        let network = NetworkFile::typed(
            args.checkpoint.as_deref(),
            args.weights.as_deref(),
            args.torchscript.as_deref(),
        );
        let batch_norm = args.batch_norm.mode();
        refuse_silent(args, &data, &recipe, network.as_ref(), batch_norm)?;
        let partition = args.partition.resolve()?;
        check_batch_norm(batch_norm, network.as_ref(), partition)?;
        check_partition(network.as_ref(), partition)?;
        Ok(Self {
            readout: Readout { layer: args.layer, pooling: args.pooling },
            augmented: args.augmented,
            seed: recipe.seed,
            dtype: args.dtype,
            batch_norm,
            train_batch_size: recipe.batch_size,
            partition,
            batch_size: args.batch_size,
            shard_rows: args.shard_rows,
            source: source(args, network, recipe),
            head: args.head.clone(),
            out: args.out.clone(),
            data,
            machine,
        })
    }

    /// What is written and how, of this network.
    pub fn features(&self, frozen: &Frozen) -> DumpSettings {
        let batch = || batch_size(frozen.backbone.compute().device, &frozen.transform);
        let rows = || rows_per_shard(frozen, self.dtype, &self.out);
        DumpSettings {
            augmented: self.augmented,
            seed: self.seed,
            dtype: self.dtype,
            batch_size: self.batch_size.map_or_else(batch, NonZeroUsize::get),
            shard_rows: self.shard_rows.map_or_else(rows, NonZeroUsize::get),
            precision: self.machine.precision,
            batch_norm: self.batch_norm,
            train_batch_size: self.train_batch_size,
            partition: self.partition,
        }
    }
}

/// The network asked for: that of a file, or one that is trained first, into `CACHE.checkpoint`.
fn source(args: &DumpArgs, network: Option<NetworkFile>, recipe: Recipe) -> BackboneSource {
    match network {
        Some(NetworkFile::Checkpoint(path)) => BackboneSource::Checkpoint {
            path,
            trained_on: if args.allow_other_data { TrainedOn::AnyData } else { TrainedOn::ThisData },
            asked: Asked {
                backbone: args.recipe.backbone.clone(),
                width: args.recipe.width,
                resize: args.data.resize,
                crop: args.data.crop,
            },
        },
        Some(NetworkFile::Weights(path)) => BackboneSource::Weights {
            path,
            backbone: recipe.backbone,
            width: recipe.width,
            transform: recipe.transform,
        },
        Some(NetworkFile::TorchScript(path)) => BackboneSource::TorchScript {
            path,
            features: if args.keep_last_linear {
                ModuleFeatures::OfLastLinear
            } else {
                ModuleFeatures::BeforeLastLinear
            },
            transform: recipe.transform,
        },
        None => {
            let mut folder = args.out.clone().into_os_string();
            folder.push(".checkpoint");
            BackboneSource::Trained { recipe: Box::new(recipe), folder: folder.into() }
        }
    }
}

fn refuse_silent(
    args: &DumpArgs,
    data: &Data,
    recipe: &Recipe,
    network: Option<&NetworkFile>,
    batch_norm: BatchNormMode,
) -> Result<(), ExtractError> {
    let mut typed = says::typed(&args.recipe, &data.subset);
    typed.extend(args.train_batch_size.map(|_| "--train-batch-size"));
    typed.extend(args.head.as_ref().map(|_| "--head"));
    says::refuse_silent(&says::Facts {
        network,
        augments: args.augmented > 0,
        shuffles: batch_norm == BatchNormMode::Train,
        ..says::Facts::new(recipe, &data.subset, typed)?
    })
}

/// Refuses training mode where the network has none, and where its statistics would go through several processes.
fn check_batch_norm(
    batch_norm: BatchNormMode,
    network: Option<&NetworkFile>,
    partition: Partition,
) -> Result<(), ExtractError> {
    let (name, expected, got, hint) = match (batch_norm, network) {
        (BatchNormMode::Train, Some(NetworkFile::TorchScript(_))) => (
            "--batch-norm",
            "`eval` with `--torchscript`",
            "`train`".to_owned(),
            "an exported module runs as it was exported; other backbones take `--weights`",
        ),
        (BatchNormMode::Train, _) if !partition.is_whole() => (
            "--partition",
            "none with `--batch-norm train`",
            partition.to_string(),
            "the running statistics go through all passes in one process",
        ),
        (BatchNormMode::Eval | BatchNormMode::Train, _) => return Ok(()),
    };
    Err(ExtractError::InvalidSetting { name, expected: expected.to_owned(), got, hint: hint.to_owned() })
}

/// Refuses partitions that would not share one backbone.
fn check_partition(network: Option<&NetworkFile>, partition: Partition) -> Result<(), ExtractError> {
    if partition.is_whole() || network.is_some() {
        return Ok(());
    }
    Err(ExtractError::InvalidSetting {
        name: "--partition",
        expected: "a trained backbone".to_owned(),
        got: "neither `--checkpoint` nor `--weights` nor `--torchscript`".to_owned(),
        hint: "train once with `extractor train`, and give its checkpoint to every partition".to_owned(),
    })
}

/// The batch of a training step has a name of its own here.
fn name_as_typed(error: ExtractError) -> ExtractError {
    match error {
        ExtractError::InvalidSetting { name: "--batch-size", expected, got, hint } => {
            ExtractError::InvalidSetting { name: "--train-batch-size", expected, got, hint }
        }
        other => other,
    }
}
