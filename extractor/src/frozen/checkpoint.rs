//! The network of a stage-1 checkpoint.

use super::{Asked, Frozen, Loading, TrainedOn};
use crate::{
    ExtractError,
    datasets::Dataset,
    stage1::{Checkpoint, Recipe},
};
use cache::{DrawnSplits, Stage1Head};
use std::{num::NonZeroUsize, path::Path};
use tch::Tensor;

pub(super) fn load(
    path: &Path,
    trained_on: TrainedOn,
    asked: &Asked,
    Loading { compute, dataset, tell, .. }: Loading<'_>,
) -> Result<Frozen, ExtractError> {
    let checkpoint = Checkpoint::load(path, |_| compute)?;
    asked.check(&checkpoint.info.recipe)?;
    let differences = data_differences(&checkpoint, dataset);
    if !differences.is_empty() && trained_on == TrainedOn::ThisData {
        return Err(ExtractError::OtherData { path: path.to_owned(), differences });
    }
    let (done, epochs) = (checkpoint.info.position.epochs, checkpoint.info.recipe.epochs);
    if done < epochs {
        tell(&format!("`{}` has trained {done} of its {epochs} epochs", path.display()));
    }
    let same_classes = checkpoint.info.has_classes(&dataset.class_names);
    let head = same_classes.then(|| stage1_head(&checkpoint)).transpose()?;
    let info = checkpoint.backbone_info()?;
    Ok(Frozen { info, head, transform: checkpoint.info.recipe.transform, backbone: checkpoint.backbone })
}

/// Where the training images are not those that the backbone was trained on.
fn data_differences(checkpoint: &Checkpoint, dataset: &Dataset) -> Vec<String> {
    let (there, here) = (&checkpoint.info.dataset, &dataset.info);
    let ratio = |ratio: Option<f64>| ratio.map_or("none".to_owned(), |ratio| ratio.to_string());
    let number = |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
    let drawn = |drawn: Option<&DrawnSplits>| drawn.map_or("none".to_owned(), ToString::to_string);
    let settings = [
        ("dataset", there.name.clone(), here.name.clone()),
        ("subset", there.subset.clone(), here.subset.clone()),
        ("imbalance ratio", ratio(there.imbalance_ratio), ratio(here.imbalance_ratio)),
        ("n_max", number(there.n_max), number(here.n_max)),
        ("drawn splits", drawn(there.drawn.as_ref()), drawn(here.drawn.as_ref())),
    ];
    let mut differences: Vec<String> = settings
        .into_iter()
        .filter(|(_, there, here)| there != here)
        .map(|(name, there, here)| format!("{name} {there} there, {here} here"))
        .collect();
    // Files that were got again, or left out meanwhile, are of the same data set.
    let same_lists = !here.names_digest.is_empty() && there.names_digest == here.names_digest;
    if differences.is_empty() && there.root_digest != here.root_digest && !same_lists {
        differences.push("the image files have other contents".to_owned());
    }
    let others_skipped = same_lists && there.skipped != here.skipped;
    if differences.is_empty() && there.index_digest != here.index_digest && !others_skipped {
        differences.push("the subset holds other images".to_owned());
    }
    differences
}

fn stage1_head(checkpoint: &Checkpoint) -> Result<Stage1Head, ExtractError> {
    let (classes, dim) = (checkpoint.info.class_names.len(), checkpoint.backbone.feature_dim());
    let (weight, bias) = (numbers(&checkpoint.head.weight)?, numbers(&checkpoint.head.bias)?);
    Ok(Stage1Head { classes, dim, weight, bias, kind: checkpoint.head.kind })
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, ExtractError> {
    tensor
        .f_detach()
        .and_then(|tensor| tensor.f_reshape([-1]))
        .and_then(Vec::try_from)
        .map_err(ExtractError::torch("read the head"))
}

impl Asked {
    /// Refuses another network, or other pixels, than a checkpoint was trained with.
    fn check(&self, own: &Recipe) -> Result<(), ExtractError> {
        let photo = own.transform.photo.as_ref();
        let size = |side: Option<NonZeroUsize>| side.map(|side| side.to_string());
        for (name, asked, there) in [
            ("--backbone", self.backbone.clone(), Some(own.backbone.clone())),
            ("--width", self.width.map(|width| width.to_string()), Some(own.width.to_string())),
            ("--resize", size(self.resize), photo.map(|photo| photo.resize.to_string())),
            ("--crop", size(self.crop), photo.map(|photo| photo.crop.to_string())),
        ] {
            if let (Some(asked), Some(there)) = (asked, there)
                && asked != there
            {
                return Err(ExtractError::InvalidSetting {
                    name,
                    expected: format!("{there}, with which the checkpoint was trained"),
                    got: asked,
                    hint: "leave it out: a checkpoint keeps its own".to_owned(),
                });
            }
        }
        Ok(())
    }
}
