//! `extractor dump`: the frozen features of a backbone become a cache; without a backbone, one is trained first.

use super::{Outcome, idle, import::report, output::say, train};
use crate::{
    backbones::{
        Backbone, Compute,
        pretrained::{self, Pretrained},
        torchscript,
    },
    cli::{BatchNormArg, DumpArgs},
    datasets::Dataset,
    dump::{DumpSettings, Frozen, batch_size, check_out, dump, rows_per_shard},
    error::ExtractError,
    stage1::{self, Checkpoint, Recipe, TrainOptions},
    transform::Transform,
    weights::digest,
};
use cache::{BackboneInfo, CAUTION, DrawnSplits, Stage1Head};
use program::interrupt::Interrupt;
use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
};
use tch::{Device, Tensor};

pub(super) fn run(args: &DumpArgs) -> Result<Outcome, ExtractError> {
    check_partition(args)?;
    idle::refuse(args)?;
    let recipe = train::recipe(&args.recipe, args.train_batch_size, &args.machine, args.data.transform()?)
        .map_err(name_as_typed)?;
    let interrupt = train::begin(&args.machine)?;
    check_out(&args.out)?;
    let device = train::prepare(&args.machine)?;
    let dataset = Dataset::load(&args.data.dataset, args.data.source_files(), &args.data.subset_spec())?;
    train::announce(&dataset);
    let compute =
        Compute { device, precision: args.machine.precision, layout: args.machine.channels_last.layout() };
    let frozen = match (&args.checkpoint, &args.weights, &args.torchscript) {
        (Some(path), _, _) => {
            let asked = |own: &Recipe| idle::refuse_other_network(args, own);
            from_checkpoint(path, compute, &dataset, args.allow_other_data, asked)?
        }
        (None, Some(path), _) => {
            let Recipe { backbone, width, transform, .. } = &recipe;
            from_weights(path, (backbone, *width), transform, compute, dataset.class_names.len())?
        }
        (None, None, Some(path)) => {
            refuse_training_mode(args)?;
            from_torchscript(path, args.keep_last_linear, &recipe.transform, compute, &dataset)?
        }
        (None, None, None) => {
            let checkpoint = train_first(args, &recipe, device, &dataset, &interrupt)?;
            from_checkpoint(&checkpoint, compute, &dataset, false, |_| Ok(()))?
        }
    };
    let had_head = frozen.head.is_some();
    let frozen = frozen.read_at(args.readout())?;
    if had_head && frozen.head.is_none() {
        say("the head reads averages of the penultimate layer: the cache gets no stage-1 head");
    }
    let shard_rows = || rows_per_shard(&frozen, args.dtype, &args.out);
    let settings = DumpSettings {
        augmented: args.augmented,
        seed: recipe.seed,
        dtype: args.dtype,
        batch_size: args.batch_size.map_or_else(|| batch_size(device, &frozen.transform), NonZeroUsize::get),
        shard_rows: args.shard_rows.map_or_else(shard_rows, NonZeroUsize::get),
        precision: args.machine.precision,
        batch_norm: args.batch_norm.mode(),
        train_batch_size: recipe.batch_size,
        partition: args.partition,
    };
    report(dump(&frozen, &dataset, &settings, &args.out, &interrupt)?, &args.out);
    Ok(Outcome::Done)
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

/// Refuses partitions that would not share one backbone, before anything long starts.
fn check_partition(args: &DumpArgs) -> Result<(), ExtractError> {
    if args.partition.is_whole() || args.checkpoint.is_some() || args.weights.is_some() {
        return Ok(());
    }
    Err(ExtractError::InvalidSetting {
        name: "--partition",
        expected: "a trained backbone".to_owned(),
        got: "neither `--checkpoint` nor `--weights`".to_owned(),
        hint: "train once with `extractor train`, and give its checkpoint to every partition".to_owned(),
    })
}

/// Trains into `CACHE.checkpoint`, or continues the run that is there.
fn train_first(
    args: &DumpArgs,
    recipe: &Recipe,
    device: Device,
    dataset: &Dataset,
    interrupt: &Interrupt,
) -> Result<PathBuf, ExtractError> {
    let mut folder = args.out.clone().into_os_string();
    folder.push(".checkpoint");
    let folder = PathBuf::from(folder);
    train::check_out(&folder)?;
    // A layer that the network lacks is found before a long training.
    let place = Compute { device: Device::Cpu, precision: recipe.precision, layout: recipe.layout };
    Backbone::unset(&recipe.backbone, recipe.width, place)?.read_at(args.readout())?;
    let options = TrainOptions { device, eval_every: NonZeroU32::MIN, keep_best: None };
    let outcome = stage1::train(dataset, recipe, &options, &folder, interrupt)?;
    if !outcome.was_finished {
        say(&format!("trained {} epochs into `{}`", recipe.epochs, folder.display()));
    }
    Ok(folder)
}

pub(super) fn from_checkpoint(
    path: &Path,
    compute: Compute,
    dataset: &Dataset,
    allow_other_data: bool,
    check: impl FnOnce(&Recipe) -> Result<(), ExtractError>,
) -> Result<Frozen, ExtractError> {
    let checkpoint = Checkpoint::load(path, |_| compute)?;
    check(&checkpoint.info.recipe)?;
    let differences = data_differences(&checkpoint, dataset);
    if !differences.is_empty() && !allow_other_data {
        return Err(ExtractError::OtherData { path: path.to_owned(), differences });
    }
    let (done, epochs) = (checkpoint.info.position.epochs, checkpoint.info.recipe.epochs);
    if done < epochs {
        say(&format!("`{}` has trained {done} of its {epochs} epochs", path.display()));
    }
    let same_classes = checkpoint.info.has_classes(&dataset.class_names);
    let head = same_classes.then(|| stage1_head(&checkpoint)).transpose()?;
    let info = checkpoint.backbone_info()?;
    Ok(Frozen { info, head, transform: checkpoint.info.recipe.transform, backbone: checkpoint.backbone })
}

/// Where the training images are not those that the backbone was trained on.
fn data_differences(checkpoint: &Checkpoint, dataset: &Dataset) -> Vec<String> {
    let (there, here) = (&checkpoint.info.dataset, &dataset.info);
    let ratio = |ratio: Option<f64>| ratio.map_or("none".to_owned(), |ratio| ratio.to_string());
    let number = |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
    let drawn = |drawn: Option<&DrawnSplits>| drawn.map_or("none".to_owned(), ToString::to_string);
    let settings = [
        ("dataset", there.name.clone(), here.name.clone()),
        ("subset", there.subset.clone(), here.subset.clone()),
        ("imbalance ratio", ratio(there.imbalance_ratio), ratio(here.imbalance_ratio)),
        ("n_max", number(there.n_max), number(here.n_max)),
        ("drawn splits", drawn(there.drawn.as_ref()), drawn(here.drawn.as_ref())),
    ];
    let mut differences: Vec<String> = settings
        .into_iter()
        .filter(|(_, there, here)| there != here)
        .map(|(name, there, here)| format!("{name} {there} there, {here} here"))
        .collect();
    // Files that were got again, or left out meanwhile, are of the same data set.
    let same_lists = !here.names_digest.is_empty() && there.names_digest == here.names_digest;
    if differences.is_empty() && there.root_digest != here.root_digest && !same_lists {
        differences.push("the image files have other contents".to_owned());
    }
    let others_skipped = same_lists && there.skipped != here.skipped;
    if differences.is_empty() && there.index_digest != here.index_digest && !others_skipped {
        differences.push("the subset holds other images".to_owned());
    }
    differences
}

fn stage1_head(checkpoint: &Checkpoint) -> Result<Stage1Head, ExtractError> {
    let (classes, dim) = (checkpoint.info.class_names.len(), checkpoint.backbone.feature_dim());
    let (weight, bias) = (numbers(&checkpoint.head.weight)?, numbers(&checkpoint.head.bias)?);
    Ok(Stage1Head { classes, dim, weight, bias, kind: checkpoint.head.kind })
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, ExtractError> {
    tensor
        .f_detach()
        .and_then(|tensor| tensor.f_reshape([-1]))
        .and_then(Vec::try_from)
        .map_err(ExtractError::torch("read the head"))
}

/// A backbone with the weights of a file; the file's head comes along where it fits the classes.
pub(super) fn from_weights(
    path: &Path,
    (name, width): (&str, f64),
    transform: &Transform,
    compute: Compute,
    classes: usize,
) -> Result<Frozen, ExtractError> {
    let Pretrained { backbone, head, notes } = pretrained::load(path, name, width, compute)?;
    for note in &notes {
        say(note);
    }
    let weights_digest =
        digest(backbone.parameters().named()).map_err(ExtractError::torch("read the weights"))?;
    let info = BackboneInfo {
        architecture: backbone.architecture(),
        weights_digest,
        recipe: serde_json::json!({ "source": "weights file" }),
        ..BackboneInfo::default()
    };
    let head = fitting_head(head, path, classes);
    Ok(Frozen { backbone, info, head, transform: transform.clone() })
}

/// An exported module has one mode.
fn refuse_training_mode(args: &DumpArgs) -> Result<(), ExtractError> {
    if args.batch_norm == BatchNormArg::Train {
        return Err(ExtractError::InvalidSetting {
            name: "--batch-norm",
            expected: "`eval` with `--torchscript`".to_owned(),
            got: "`train`".to_owned(),
            hint: "an exported module runs as it was exported; other backbones take `--weights`".to_owned(),
        });
    }
    Ok(())
}

/// An exported module; its last linear layer becomes the head where it fits the classes.
pub(super) fn from_torchscript(
    path: &Path,
    keep_last_linear: bool,
    transform: &Transform,
    compute: Compute,
    dataset: &Dataset,
) -> Result<Frozen, ExtractError> {
    let size = transform.photo.as_ref().map_or(dataset.train.size(), |photo| (photo.crop, photo.crop));
    let module = torchscript::load(path, compute, size, keep_last_linear)?;
    let info = BackboneInfo {
        architecture: module.backbone.architecture(),
        weights_digest: module.digest,
        recipe: serde_json::json!({
            "source": "TorchScript module",
            "features": if module.head.is_some() { "input of the last linear layer" } else { "output" },
            (CAUTION): "a TorchScript module is code, which the dump has run",
        }),
        ..BackboneInfo::default()
    };
    let head = fitting_head(module.head, path, dataset.class_names.len());
    Ok(Frozen { backbone: module.backbone, info, head, transform: transform.clone() })
}

/// The head, unless it is for other classes; says why the cache gets none.
fn fitting_head(head: Option<Stage1Head>, path: &Path, classes: usize) -> Option<Stage1Head> {
    let file = path.display();
    match head {
        Some(head) if head.classes == classes => Some(head),
        Some(head) => {
            say(&format!(
                "the head in `{file}` has {} classes, the data {classes}: the cache gets no stage-1 head",
                head.classes
            ));
            None
        }
        None => {
            say(&format!("`{file}` has no head: the cache gets no stage-1 head"));
            None
        }
    }
}
