//! `extractor train`: a backbone and its stage-1 head from images.

use super::{Outcome, install_interrupt, output::say};
use crate::{
    ExtractError,
    cli::{MachineArgs, TrainArgs},
    datasets::{Dataset, ImageSet, remarks},
    device, place,
    stage1::RecipeArgs,
    stage1::{self, BEST_FOLDER, CHECKPOINT_FILE, LOG_FILE, Recipe, TrainOptions},
    threads,
    transform::Transform,
};
use cache::Split;
use files::text;
use program::interrupt::Interrupt;
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};
use tch::Device;

pub(super) fn run(args: &TrainArgs) -> Result<Outcome, ExtractError> {
    let interrupt = begin(&args.machine)?;
    place::for_folder(&args.out)?;
    for (_, out) in runs(args, 0) {
        check_out(&out)?;
    }
    let device = prepare(&args.machine)?;
    let recipe = recipe(&args.recipe, args.batch_size, &args.machine, args.data.transform()?)?;
    let dataset = Dataset::load(&args.data.dataset, args.data.source_files(), &args.data.subset_spec())?;
    say(&format!(
        "{} training images, {} test images, {} classes",
        dataset.train.len(),
        dataset.test.len(),
        dataset.class_names.len()
    ));
    announce(&dataset);
    let options = TrainOptions { device, eval_every: args.eval_every, keep_best: args.keep_best };
    for (seed, out) in runs(args, recipe.seed) {
        let recipe = Recipe { seed, ..recipe.clone() };
        let outcome = stage1::train(&dataset, &recipe, &options, &out, &interrupt)?;
        let state = if outcome.was_finished { "was finished before" } else { "finished" };
        say(&format!("{state}: {} epochs in `{}`", recipe.epochs, text::path(&out)));
    }
    Ok(Outcome::Done)
}

/// Says what of a data set is worth knowing before hours are spent on it: what was left out, which classes lack images, and
/// which samples are in two splits.
pub(super) fn announce(dataset: &Dataset) {
    let Dataset { info, class_names, train, val, test } = dataset;
    if !info.left_out.is_empty() {
        let kinds: Vec<String> = info.left_out.iter().map(ToString::to_string).collect();
        say(&format!("left out: {}", kinds.join("; ")));
    }
    if let Some(drawn) = &info.drawn {
        let sizes = [train.len(), val.as_ref().map_or(0, ImageSet::len), test.len()];
        say(&remarks::realised(drawn, sizes, "images"));
    }
    for (images, split) in
        [(Some(train), Split::Train), (val.as_ref(), Split::Val), (Some(test), Split::Test)]
    {
        let absent =
            images.and_then(|images| remarks::absent(&images.labels, None, class_names, split, "images"));
        if let Some(warning) = absent {
            say(&warning);
        }
    }
    info.overlaps.iter().for_each(|overlap| say(&format!("warning: {overlap}")));
}

/// Each seed with its checkpoint folder.
fn runs(args: &TrainArgs, seed: u64) -> Vec<(u64, PathBuf)> {
    match &args.seeds {
        None => vec![(seed, args.out.clone())],
        Some(seeds) => {
            // A seed that is given twice is found finished the second time.
            seeds.iter().map(|seed| (*seed, args.out.join(format!("seed-{seed}")))).collect()
        }
    }
}

/// Refuses a place for a checkpoint where something else is, before anything that takes time.
pub(super) fn check_out(folder: &Path) -> Result<(), ExtractError> {
    place::for_folder_with(folder, &[CHECKPOINT_FILE, LOG_FILE, BEST_FOLDER], "a checkpoint")
}

/// Restarts with the settings of libtorch's threads, where they lack, and catches requests to stop from then on.
///
/// In this order: a new program knows nothing of what the old one caught. It comes before everything that takes time.
pub(super) fn begin(machine: &MachineArgs) -> Result<Interrupt, ExtractError> {
    threads::restart_with_settings(machine.threads);
    install_interrupt()
}

/// Settles threads and device, and says what `auto` chose.
pub(super) fn prepare(machine: &MachineArgs) -> Result<Device, ExtractError> {
    let chosen = device::choose(machine.device)?;
    threads::set_threads(machine.threads);
    if let Some(reason) = &chosen.reason {
        say(reason);
    }
    if let Some(caution) = device::caution(machine.precision, chosen.device) {
        say(caution);
    }
    Ok(chosen.device)
}

/// The settings that the arguments ask for, checked.
pub(super) fn recipe(
    args: &RecipeArgs,
    batch_size: Option<NonZeroUsize>,
    machine: &MachineArgs,
    transform: Transform,
) -> Result<Recipe, ExtractError> {
    let args = RecipeArgs { batch_size, ..args.clone() };
    let recipe = Recipe::resolve(&args, machine.precision, machine.channels_last.layout(), transform)?;
    recipe.check()?;
    Ok(recipe)
}
