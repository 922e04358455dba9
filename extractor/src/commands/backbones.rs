//! `extractor backbones`: what can be built.

use super::{Outcome, output::print};
use crate::{backbones::BACKBONES, error::ExtractError};

pub(super) fn run() -> Result<Outcome, ExtractError> {
    for kind in BACKBONES {
        let widths: Vec<String> = kind.widths.iter().map(f64::to_string).collect();
        print(&format!("{:<12} {}; --width {}", kind.name, kind.about, widths.join(", ")))?;
    }
    Ok(Outcome::Done)
}
