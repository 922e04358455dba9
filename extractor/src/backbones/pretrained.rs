//! A backbone with the weights of a file.

use super::{Backbone, Compute, FAMILIES, Family};
use crate::{ExtractError, weights::StateDict};
use cache::Stage1Head;
use std::path::Path;

/// A backbone as a file has it.
#[derive(Debug)]
pub struct Pretrained {
    /// The layers up to the features.
    pub backbone: Backbone,
    /// The head beside them.
    pub head: Option<Stage1Head>,
    /// What a person should know about how the file was read.
    pub notes: Vec<String>,
}

/// Builds a backbone and fills it from a safetensors file, whose names may be torchvision's, timm's or our own; a head in the
/// file comes along.
/// # Errors
/// Those of [`Backbone::unset`]; [`ExtractError::File`]; [`ExtractError::Malformed`] for another architecture, with the
/// backbone of the list that would fit as hint.
pub fn load(path: &Path, name: &str, width: f64, compute: Compute) -> Result<Pretrained, ExtractError> {
    let backbone = Backbone::unset(name, width, compute)?;
    let (family, _) = Family::of(name)?;
    let file = StateDict::read(path, &family.names)?;
    file.copy_into(backbone.parameters(), &backbone.architecture(), || {
        fitting(path).or_else(|| file.choice(backbone.parameters())).unwrap_or_else(|| {
            "`extractor backbones` lists what can be built; others come by `--torchscript`".to_owned()
        })
    })?;
    let (head, how) = file.head(backbone.feature_dim())?.unzip();
    let notes = file.left_out().into_iter().chain(how.unwrap_or_default()).collect();
    Ok(Pretrained { backbone, head, notes })
}

/// The backbone that has exactly the tensors of the file, as advice.
fn fitting(path: &Path) -> Option<String> {
    FAMILIES.iter().find_map(|family| {
        let file = StateDict::read(path, &family.names).ok()?;
        let candidates =
            family.variants.iter().flat_map(|kind| kind.widths.iter().map(move |&width| (kind, width)));
        candidates.into_iter().find_map(|(kind, width)| {
            let (_, parameters) = kind.outline(width).ok()?;
            let width = if width == 1.0 { String::new() } else { format!(" --width {width}") };
            file.fits(&parameters).then(|| format!("the file fits `--backbone {}{width}`", kind.name))
        })
    })
}
