//! `extractor presets`: published settings of `train`.

use super::{Outcome, output::print};
use crate::{
    cli::PresetsArgs,
    error::ExtractError,
    settings::{PRESETS, Preset},
};

pub(super) fn run(args: &PresetsArgs) -> Result<Outcome, ExtractError> {
    if let Some(name) = &args.name {
        print(Preset::named(name)?.text.trim_end())?;
        return Ok(Outcome::Done);
    }
    for preset in PRESETS {
        print(&format!("{:<16} {}", preset.name, preset.about))?;
    }
    Ok(Outcome::Done)
}
