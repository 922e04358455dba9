//! Settings of `train`.

use super::{Data, Machine, recipe, says};
use crate::{
    ExtractError,
    cli::TrainArgs,
    stage1::{Judge, Recipe},
};
use std::{num::NonZeroU32, path::PathBuf};

/// One or several trainings, which differ in their seed.
#[derive(Clone, Debug)]
pub struct Train {
    /// Which samples.
    pub data: Data,
    /// Where and how fast.
    pub machine: Machine,
    /// Each run's recipe with its checkpoint folder.
    pub runs: Vec<(Recipe, PathBuf)>,
    /// Epochs between measurements.
    pub eval_every: NonZeroU32,
    /// The split whose best epoch is kept, too.
    pub keep_best: Option<Judge>,
    /// The folder of the only checkpoint, or of the checkpoints' folders.
    pub out: PathBuf,
}

impl Train {
    /// # Errors
    /// [`ExtractError::UnknownName`], and [`ExtractError::InvalidSetting`] for a setting outside its range or one that says nothing.
    pub fn resolve(args: &TrainArgs) -> Result<Self, ExtractError> {
        let data = Data::resolve(&args.data, recipe::backbone(&args.recipe)?)?;
        let machine = Machine::from(&args.machine);
        let recipe = recipe::resolve(&args.recipe, args.batch_size, &machine, &data.transform)?;
        let typed = says::typed(&args.recipe, &data.subset);
        says::refuse_silent(&says::Facts::new(&recipe, &data.subset, typed)?)?;
        let out = args.out.clone();
        let runs = match &args.seeds {
            None => vec![(recipe, out.clone())],
            // A seed that is given twice is found finished the second time.
            Some(seeds) => seeds
                .iter()
                .map(|&seed| (Recipe { seed, ..recipe.clone() }, out.join(format!("seed-{seed}"))))
                .collect(),
        };
        let TrainArgs { eval_every, keep_best, .. } = *args;
        Ok(Self { data, machine, runs, eval_every, keep_best, out })
    }
}
