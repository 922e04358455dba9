//! `extractor datasets`: what can be read.

use super::{Outcome, output::print};
use crate::{datasets::DATASETS, error::ExtractError};

pub(super) fn run() -> Result<Outcome, ExtractError> {
    for kind in DATASETS {
        print(&format!("{:<14} {}", kind.name, kind.about))?;
    }
    Ok(Outcome::Done)
}
