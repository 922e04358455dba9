//! `extractor predict`: new images, a head and its backbone to a table of predictions.

use super::{Outcome, machine, output::say};
use crate::{
    dump::batch_size,
    error::ExtractError,
    predict::{About, Form, NetworkFile, Predictor, Table, find},
    settings::Predict,
};
use cache::head;
use files::{
    output::{Output, refuse_inputs},
    text,
};
use std::{num::NonZeroUsize, path::PathBuf};

pub(super) fn run(args: &Predict) -> Result<Outcome, ExtractError> {
    let interrupt = machine::begin(&args.machine)?;
    let about = About::read(&args.head)?;
    let found = find(&args.images)?;
    if !found.left_out.is_empty() {
        let kinds: Vec<String> = found.left_out.iter().map(ToString::to_string).collect();
        say(&format!("left out: {}", kinds.join("; ")));
    }
    let read = found.images.iter().map(PathBuf::as_path).chain([args.head.as_path()]);
    refuse_inputs(&args.out, read.chain(args.network.as_ref().map(NetworkFile::path)))?;
    // Opened before the long work, so that a bad path fails at once.
    let output = Output::open(Some(&args.out))?;
    let device = machine::prepare(&args.machine)?;
    let network = args.network.as_ref().ok_or_else(|| ExtractError::InvalidSetting {
        name: "--checkpoint",
        expected: "the network whose features the head reads".to_owned(),
        got: "none".to_owned(),
        hint: "give `--checkpoint`, `--weights` or `--torchscript` as in the dump".to_owned(),
    })?;
    let frozen = network.load(&about, args.machine.compute(device))?;
    let (head, notes) = head::read(&args.head, frozen.backbone.feature_dim(), Some(about.class_names.len()))?;
    for note in &notes {
        say(note);
    }
    let top = args.top.min(head.classes);
    let batch_size = args.batch_size.map_or_else(|| batch_size(device, &frozen.transform), NonZeroUsize::get);
    let predictor = Predictor {
        head: &head,
        about: &about,
        frozen: &frozen,
        batch_size,
        max_pixels: args.max_pixels,
        top,
    };
    let mut table = Table::begin(output, Form::of(&args.out), &about.class_names, top)?;
    let unreadable = predictor.run(&found.images, &mut table, &interrupt)?;
    let rows = table.finish()?;
    say(&format!("{rows} images → `{}`", text::path(&args.out)));
    // Their hints are for a dump.
    for error in &unreadable {
        say(&format!("unreadable: {error}"));
    }
    if unreadable.is_empty() {
        return Ok(Outcome::Done);
    }
    say(&format!("{} of {} images could not be read and have no row", unreadable.len(), found.images.len()));
    Ok(Outcome::Failed)
}
