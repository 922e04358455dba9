//! A backbone with the weights of a file.

use super::{Backbone, BackboneKind, Compute, FAMILIES, Family, Outline};
use crate::{
    ExtractError,
    weights::{StateDict, TensorFile, WeightNames},
};
use cache::Stage1Head;
use std::{path::Path, rc::Rc};

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

/// Builds a backbone and fills it from a safetensors file, whose names may be those of any project that its family knows; a head
/// in the file comes along.
///
/// # Errors
/// Those of [`Backbone::unset`]; [`ExtractError::File`]; [`ExtractError::Malformed`] for another architecture, with the
/// backbone of the list that would fit, or is closest, as hint.
pub fn load(path: &Path, name: &str, width: f64, compute: Compute) -> Result<Pretrained, ExtractError> {
    let (family, kind) = Family::of(name)?;
    read(path, &family.names, kind, width, compute)
}

/// [`load`] for a backbone and the names of its family.
pub(super) fn read(
    path: &Path,
    names: &'static WeightNames,
    kind: &BackboneKind,
    width: f64,
    compute: Compute,
) -> Result<Pretrained, ExtractError> {
    let backbone = Backbone::unset_kind(kind, width, compute)?;
    let tensors = Rc::new(TensorFile::read(path)?);
    let file = StateDict::of(&tensors, names)?;
    file.copy_into(backbone.parameters(), &backbone.architecture().to_string(), || {
        let (exact, closest) = likely(&tensors);
        exact.or_else(|| file.choice(backbone.parameters())).or(closest).unwrap_or_else(|| {
            "`extractor backbones` lists what can be built; others come by `--torchscript`".to_owned()
        })
    })?;
    let (head, how) = file.head(backbone.feature_dim())?.unzip();
    let notes = file.left_out().chain(how.unwrap_or_default()).collect();
    Ok(Pretrained { backbone, head, notes })
}

/// As advice: the backbones that have exactly the tensors of the file, and the one that shares most where it is at least half.
fn likely(file: &Rc<TensorFile>) -> (Option<String>, Option<String>) {
    let (mut exact, mut closest) = (Vec::new(), (0.0, String::new()));
    for family in FAMILIES {
        let Ok(file) = StateDict::of(file, &family.names) else { continue };
        let candidates =
            family.variants.iter().flat_map(|kind| kind.widths.iter().map(move |&width| (kind, width)));
        for (kind, width) in candidates {
            let Ok(Outline { parameters, .. }) = kind.outline(width) else { continue };
            let width = if width == 1.0 { String::new() } else { format!(" --width {width}") };
            let (name, wanted) = (format!("`--backbone {}{width}`", kind.name), parameters.named().count());
            let share = file.fitting(&parameters) as f64 / wanted.max(1) as f64;
            if file.fits(&parameters) {
                exact.push(name);
            } else if share > closest.0 {
                let shared = file.fitting(&parameters);
                closest =
                    (share, format!("the file is closest to {name}: {shared} of its {wanted} tensors fit"));
            }
        }
    }
    let fits = (!exact.is_empty()).then(|| format!("the file fits {}", exact.join(", ")));
    (fits, (closest.0 >= 0.5).then_some(closest.1))
}
