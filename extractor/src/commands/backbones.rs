//! `extractor backbones`: what can be built.

use super::{Outcome, output::print};
use crate::{
    backbones::{self, Outline},
    error::ExtractError,
};

pub(super) fn run() -> Result<Outcome, ExtractError> {
    print(&format!(
        "{:<25} {:>4}  {:<9}  {:>5}  {:<13} {:>10}  {:<12}  {}",
        "backbone", "D", "--pool", "image", "stem", "parameters", "--width", "what it is"
    ))?;
    for kind in backbones::all() {
        let Outline { feature_dim, pooling, parameters } = kind.outline(1.0)?;
        let millions = format!("{:.2} M", parameters.weight_count() as f64 / 1e6);
        let widths: Vec<String> = kind.widths.iter().map(f64::to_string).collect();
        print(&format!(
            "{:<25} {feature_dim:>4}  {:<9}  {:>5}  {:<13} {millions:>10}  {:<12}  {}",
            kind.name,
            pooling.to_string(),
            kind.side(),
            kind.stem,
            widths.join(" "),
            kind.about
        ))?;
    }
    Ok(Outcome::Done)
}
