//! `extractor train`: a backbone and its stage-1 head from images.

use super::{Outcome, machine, output::say};
use crate::{
    ExtractError,
    datasets::{Dataset, ImageSet, remarks},
    place,
    settings::Train,
    stage1::{self, TrainOptions},
};
use cache::Split;
use files::text;

pub(super) fn run(settings: &Train) -> Result<Outcome, ExtractError> {
    let interrupt = machine::begin(&settings.machine)?;
    place::for_folder(&settings.out)?;
    settings.runs.iter().try_for_each(|(_, out)| stage1::check_out(out))?;
    let device = machine::prepare(&settings.machine)?;
    let dataset = settings.data.load()?;
    say(&format!(
        "{} training images, {} test images, {} classes",
        dataset.train.len(),
        dataset.test.len(),
        dataset.class_names.len()
    ));
    announce(&dataset);
    let options = TrainOptions { device, eval_every: settings.eval_every, keep_best: settings.keep_best };
    for (recipe, out) in &settings.runs {
        let outcome = stage1::train(&dataset, recipe, &options, out, &interrupt)?;
        let state = if outcome.was_finished { "was finished before" } else { "finished" };
        say(&format!("{state}: {} epochs in `{}`", recipe.epochs, text::path(out)));
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
