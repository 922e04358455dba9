//! A TorchScript module.

use super::{Frozen, Loading, fitting_head};
use crate::{
    ExtractError,
    backbones::torchscript::{self, ModuleFeatures},
    transform::Transform,
};
use cache::{BackboneInfo, CAUTION};
use std::path::Path;

/// An exported module; its last linear layer becomes the head where it fits the classes.
pub(super) fn load(
    path: &Path,
    features: ModuleFeatures,
    transform: &Transform,
    around: Loading<'_>,
) -> Result<Frozen, ExtractError> {
    let size = transform.photo.as_ref().map_or(around.dataset.train.size(), |photo| (photo.crop, photo.crop));
    let module = torchscript::load(path, around.compute, size, features)?;
    let info = BackboneInfo {
        architecture: module.backbone.architecture(),
        weights_digest: module.digest,
        recipe: serde_json::json!({
            "source": "TorchScript module",
            "features": if module.head.is_some() { "input of the last linear layer" } else { "output" },
            (CAUTION): "a TorchScript module is code, which the dump has run",
        }),
        ..BackboneInfo::default()
    };
    let head = fitting_head(module.head, path, around);
    Ok(Frozen { backbone: module.backbone, info, head, transform: transform.clone() })
}
