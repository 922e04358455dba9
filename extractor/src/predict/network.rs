//! The network of a head, from the file that is given: what the head says and what the file holds must be one.

use super::About;
use crate::{
    ExtractError,
    backbones::{
        Compute, Readout, pretrained,
        torchscript::{self, ModuleFeatures},
    },
    frozen::Frozen,
    stage1::Checkpoint,
    weights::digest,
};
use cache::BackboneInfo;
use std::path::{Path, PathBuf};

/// The file that holds the network.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkFile {
    /// A checkpoint of `extractor train`.
    Checkpoint(PathBuf),
    /// Weights of a network that is built by this name and width, where they are given, else by those of the head.
    Weights(PathBuf, Option<String>, Option<f64>),
    /// A TorchScript module, and what of it is taken.
    TorchScript(PathBuf, ModuleFeatures),
}

impl NetworkFile {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Checkpoint(path) | Self::Weights(path, ..) | Self::TorchScript(path, _) => path,
        }
    }

    /// Loads the network that a head was trained on.
    ///
    /// # Errors
    /// [`ExtractError::OtherNetwork`] where file and head differ; those of the file's format.
    pub fn load(&self, about: &About, compute: Compute) -> Result<Frozen, ExtractError> {
        let transform = about.transform.clone();
        let frozen = match self {
            Self::Checkpoint(path) => {
                let checkpoint = Checkpoint::load(path, |_| compute)?;
                let info = checkpoint.backbone_info()?;
                Frozen {
                    info,
                    head: None,
                    transform: checkpoint.info.recipe.transform,
                    backbone: checkpoint.backbone,
                }
            }
            Self::Weights(path, name, width) => {
                let own = &about.backbone.architecture;
                let (name, width) = (name.as_deref().unwrap_or(&own.name), width.unwrap_or(own.width));
                let backbone = pretrained::load(path, name, width, compute)?.backbone;
                let weights_digest =
                    digest(backbone.parameters().named()).map_err(ExtractError::torch("read the weights"))?;
                let info = BackboneInfo {
                    architecture: backbone.architecture(),
                    weights_digest,
                    ..BackboneInfo::default()
                };
                Frozen { info, head: None, transform, backbone }
            }
            Self::TorchScript(path, features) => {
                let side = transform.photo.as_ref().map_or(32, |photo| photo.crop);
                let module = torchscript::load(path, compute, (side, side), *features)?;
                let info = BackboneInfo {
                    architecture: module.backbone.architecture(),
                    weights_digest: module.digest,
                    ..BackboneInfo::default()
                };
                Frozen { info, head: None, transform, backbone: module.backbone }
            }
        };
        let layer = (about.backbone.layer.as_deref(), about.backbone.pooling.as_deref());
        let readout = Readout::from_recorded(layer.0, layer.1);
        let frozen = match readout {
            Some(readout) => frozen.read_at(readout)?,
            None => frozen,
        };
        self.compare(&frozen, about)?;
        Ok(frozen)
    }

    /// Refuses another network, or other pixels, than those of the head.
    fn compare(&self, frozen: &Frozen, about: &About) -> Result<(), ExtractError> {
        let (own, info) = (&about.backbone, &frozen.info);
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "the usual one".to_owned());
        let differences: Vec<String> = [
            ("architecture", own.architecture.to_string(), info.architecture.to_string()),
            ("layer", text(&own.layer), text(&info.layer)),
            ("pooling", text(&own.pooling), text(&info.pooling)),
            ("transform", about.transform.describe_clean(), frozen.transform.describe_clean()),
            ("weights", own.weights_digest.clone(), info.weights_digest.clone()),
        ]
        .into_iter()
        .filter(|(_, head, file)| head != file)
        .map(|(name, head, file)| format!("{name} {} in the head, {} here", short(&head), short(&file)))
        .collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(ExtractError::OtherNetwork { path: self.path().to_owned(), differences })
    }
}

/// The beginning of a digest; other texts as they are.
fn short(text: &str) -> String {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { text.chars().take(12).collect() } else { format!("`{text}`") }
}
