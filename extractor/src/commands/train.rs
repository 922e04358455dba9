//! `extractor train`: a backbone and its stage-1 head from images.

use super::{Outcome, install_interrupt, output::say};
use crate::{
    ExtractError,
    cli::{MachineArgs, RecipeArgs, TrainArgs},
    datasets::Dataset,
    device,
    stage1::{self, Recipe, TrainOptions},
    threads,
    transform::Transform,
};
use std::{num::NonZeroUsize, path::PathBuf};
use tch::Device;

pub(super) fn run(args: &TrainArgs) -> Result<Outcome, ExtractError> {
    let device = prepare(&args.machine)?;
    let recipe = recipe(&args.recipe, args.batch_size, &args.machine, args.data.transform()?)?;
    let interrupt = install_interrupt()?;
    let dataset = Dataset::load(&args.data.dataset, args.data.source_files(), &args.data.subset_spec())?;
    say(&format!(
        "{} training images, {} test images, {} classes",
        dataset.train.len(),
        dataset.test.len(),
        dataset.class_names.len()
    ));
    let options = TrainOptions { device, eval_every: args.eval_every, keep_best: args.keep_best };
    for (seed, out) in runs(args, recipe.seed) {
        let recipe = Recipe { seed, ..recipe.clone() };
        let outcome = stage1::train(&dataset, &recipe, &options, &out, &interrupt)?;
        let state = if outcome.was_finished { "was finished before" } else { "finished" };
        say(&format!("{state}: {} epochs in `{}`", recipe.epochs, out.display()));
    }
    Ok(Outcome::Done)
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

/// Settles threads and device, and says what `auto` chose.
pub(super) fn prepare(machine: &MachineArgs) -> Result<Device, ExtractError> {
    threads::restart_with_short_spins(machine.threads);
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
