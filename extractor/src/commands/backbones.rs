//! `extractor backbones`: what can be built.

use super::{Outcome, output::print};
use crate::{backbones, error::ExtractError};

pub(super) fn run() -> Result<Outcome, ExtractError> {
    print(&format!(
        "{:<25} {:>4}  {:<13} {:>10}  {:<12}  {}",
        "backbone", "D", "stem", "parameters", "--width", "what it is"
    ))?;
    for kind in backbones::all() {
        let (feature_dim, parameters) = kind.outline(1.0)?;
        let millions = format!("{:.2} M", parameters.weight_count() as f64 / 1e6);
        let widths: Vec<String> = kind.widths.iter().map(f64::to_string).collect();
        print(&format!(
            "{:<25} {feature_dim:>4}  {:<13} {millions:>10}  {:<12}  {}",
            kind.name,
            kind.stem,
            widths.join(" "),
            kind.about
        ))?;
    }
    Ok(Outcome::Done)
}
