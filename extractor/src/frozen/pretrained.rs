//! The network of a weights file.

use super::{Frozen, Loading, fitting_head};
use crate::{
    ExtractError,
    backbones::pretrained::{self, Pretrained},
    transform::Transform,
    weights::digest,
};
use cache::BackboneInfo;
use std::path::Path;

/// A backbone with the weights of a file; the file's head comes along where it fits the classes.
pub(super) fn load(
    path: &Path,
    (name, width): (&str, f64),
    transform: &Transform,
    around: Loading<'_>,
) -> Result<Frozen, ExtractError> {
    let Pretrained { backbone, head, notes } = pretrained::load(path, name, width, around.compute)?;
    for note in &notes {
        (around.tell)(note);
    }
    let weights_digest =
        digest(backbone.parameters().named()).map_err(ExtractError::torch("read the weights"))?;
    let info = BackboneInfo {
        architecture: backbone.architecture(),
        weights_digest,
        recipe: serde_json::json!({ "source": "weights file" }),
        ..BackboneInfo::default()
    };
    let head = fitting_head(head, path, around);
    Ok(Frozen { backbone, info, head, transform: transform.clone() })
}
