//! Settings of `bench`.

use super::{Machine, recipe};
use crate::{
    ExtractError,
    backbones::{BackboneKind, ImageSize},
    bench,
    cli::{BenchArgs, RecipeArgs},
    config::Precision,
    stage1::Recipe,
};
use program::device::DeviceChoice;
use std::{num::NonZeroU32, path::PathBuf, time::Duration};

/// What is measured, how long, and against what.
#[derive(Clone, Debug)]
pub struct BenchRun {
    /// Where.
    pub device: DeviceChoice,
    /// CPU threads; `None` is one for each physical core.
    pub threads: Option<u32>,
    /// The training whose steps, passes and dumps are measured.
    pub recipe: Recipe,
    /// The images that its backbone takes.
    pub images: ImageSize,
    /// Rounds of each measurement.
    pub rounds: NonZeroU32,
    /// The length of one.
    pub round: Duration,
    /// Python with PyTorch, to compare with.
    pub peer: Option<PathBuf>,
    /// Image files of the first of two dumps whose memory is compared.
    pub files: usize,
}

impl BenchRun {
    /// # Errors
    /// [`ExtractError::UnknownName`] for the backbone; [`ExtractError::InvalidSetting`] for a number outside its range.
    pub fn resolve(args: &BenchArgs) -> Result<Self, ExtractError> {
        let kind = BackboneKind::named(&args.backbone)?;
        let images = kind.images;
        let network = RecipeArgs {
            backbone: Some(args.backbone.clone()),
            width: Some(args.width),
            ..RecipeArgs::default()
        };
        let machine = Machine {
            device: args.device,
            threads: args.threads,
            precision: Precision::F32,
            layout: args.channels_last.layout(),
        };
        let recipe = recipe::resolve(
            &network,
            Some(args.batch_size),
            &machine,
            &kind.transform(&bench::transform(images))?,
        )?;
        let BenchArgs { device, threads, rounds, .. } = *args;
        let (round, peer, files) = (round(args)?, args.peer.clone(), args.images.get());
        Ok(Self { device, threads, recipe, images, rounds, round, peer, files })
    }
}

/// The length of a round.
fn round(args: &BenchArgs) -> Result<Duration, ExtractError> {
    let seconds = args.seconds / f64::from(args.rounds.get());
    Duration::try_from_secs_f64(seconds).ok().filter(|round| !round.is_zero()).ok_or_else(|| {
        ExtractError::InvalidSetting {
            name: "--seconds",
            expected: "a positive number".to_owned(),
            got: args.seconds.to_string(),
            hint: "6 is enough on a machine that does nothing else".to_owned(),
        }
    })
}
