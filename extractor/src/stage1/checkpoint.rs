//! One safetensors file with everything that a run needs to go on, and everything that a dump needs to know.

use super::{head::Head, judge::Selected, loss::LossKind, recipe::Recipe};
use crate::{
    ExtractError,
    backbones::{Backbone, Compute},
    weights::{ParameterBuilder, TensorFile, digest, encode},
};
use cache::{BackboneInfo, ClassCounts, DatasetInfo, ProgramInfo, numbered};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// The file in the checkpoint folder.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";

/// The version of the file's contents.
const FORMAT_VERSION: u32 = 1;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Finished epochs.
    pub epochs: u32,
    /// Finished steps of the epoch after them; 0 except after a stop on request.
    pub steps: u32,
    /// Seconds spent in these steps.
    pub seconds: f64,
}

/// What a checkpoint says about itself, beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// Always 1.
    pub format_version: u32,
    /// How far the run is.
    pub position: Position,
    /// How it trains.
    pub recipe: Recipe,
    /// What it trains on.
    pub dataset: DatasetInfo,
    /// Names of the classes `[C]`.
    pub class_names: Vec<String>,
    /// Training samples of each class `[C]`.
    pub class_counts: ClassCounts,
    /// The training images' transform, as a string of steps.
    pub train_transform: String,
    /// The program that wrote it.
    pub program: ProgramInfo,
    /// What it is the best epoch by, where it is one that was kept for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<Selected>,
}

impl CheckpointInfo {
    pub(super) fn new(
        recipe: &Recipe,
        dataset: &crate::datasets::Dataset,
        class_counts: ClassCounts,
    ) -> Self {
        let (height, width) = dataset.train.size();
        Self {
            format_version: FORMAT_VERSION,
            position: Position::default(),
            recipe: recipe.clone(),
            dataset: dataset.info.clone(),
            class_names: dataset.class_names.clone(),
            class_counts,
            train_transform: recipe.transform.describe_augmented(height, width),
            program: crate::config::program(),
            selected: None,
        }
    }

    /// Whether the run has reached its last epoch.
    pub fn finished(&self) -> bool {
        self.position.epochs >= self.recipe.epochs
    }

    /// Whether it is of these classes; numbers stand for names that were not known.
    pub fn has_classes(&self, class_names: &[String]) -> bool {
        let unnamed = numbered(&self.class_names) || numbered(class_names);
        self.class_names == class_names || (unnamed && self.class_names.len() == class_names.len())
    }

    /// The settings in which two runs differ, as `name: there X, asked for Y`; how far they are does not count, nor do images of
    /// the same lists that were got again or left out meanwhile.
    pub(super) fn differences(&self, asked: &Self) -> Vec<String> {
        let (there, here) = (&self.dataset, &asked.dataset);
        let same_lists = !here.names_digest.is_empty() && there.names_digest == here.names_digest;
        let others_skipped = same_lists && there.skipped != here.skipped;
        let drawn = others_skipped && here.imbalance_ratio.is_some();
        let same_classes = self.has_classes(&asked.class_names);
        let settings = |info: &Self| {
            let mut value = serde_json::to_value(info).unwrap_or(Value::Null);
            if let Value::Object(fields) = &mut value {
                fields.retain(|name, _| !["position", "program", "selected"].contains(&name.as_str()));
                if same_classes {
                    fields.remove("class_names");
                }
                if others_skipped {
                    fields.remove("class_counts");
                }
                if let Some(Value::Object(dataset)) = fields.get_mut("dataset") {
                    dataset.retain(|name, _| match name.as_str() {
                        "names_digest" | "left_out" | "overlaps" => false,
                        "root_digest" => !same_lists,
                        "index_digest" | "skipped" => !others_skipped,
                        "n_max" => !drawn,
                        _ => true,
                    });
                }
            }
            // A recipe leaves out the usual start; a message names it.
            if let Some(Value::Object(recipe)) = value.get_mut("recipe") {
                let init = serde_json::to_value(info.recipe.init).unwrap_or(Value::Null);
                recipe.insert("init".to_owned(), init);
            }
            value
        };
        let mut found = Vec::new();
        collect_differences("", &settings(self), &settings(asked), &mut found);
        found
    }
}

/// A trained backbone with its head.
#[derive(Debug)]
pub struct Checkpoint {
    /// What the file says about itself.
    pub info: CheckpointInfo,
    /// The network.
    pub backbone: Backbone,
    /// The stage-1 classifier.
    pub head: Head,
}

impl Checkpoint {
    /// Reads a checkpoint: its folder, or the file itself.
    ///
    /// The device is the caller's choice; number format and memory order are those of training unless `compute` says otherwise.
    ///
    /// # Errors
    /// [`ExtractError::NotFound`], [`ExtractError::File`], [`ExtractError::Malformed`], [`ExtractError::Torch`].
    pub fn load(path: &Path, compute: impl FnOnce(&Recipe) -> Compute) -> Result<Self, ExtractError> {
        let file = checkpoint_path(path);
        if !file.is_file() {
            return Err(ExtractError::NotFound {
                path: file,
                expected: "the checkpoint of a stage-1 run".to_owned(),
                hint: seeds_hint(path),
            });
        }
        let file = TensorFile::read(&file)?;
        let info = read_info(&file)?;
        let (backbone, head) = build(&info.recipe, info.class_counts.classes(), compute(&info.recipe))?;
        file.copy_into(backbone.parameters().named().chain(head.parameters().named()))?;
        Ok(Self { info, backbone, head })
    }

    /// What goes into a cache's manifest: architecture, digest of the weights, recipe.
    ///
    /// # Errors
    /// [`ExtractError::Torch`].
    pub fn backbone_info(&self) -> Result<BackboneInfo, ExtractError> {
        let named = self.backbone.parameters().named().chain(self.head.parameters().named());
        let mut recipe = serde_json::json!({
            "stage1": self.info.recipe,
            "epochs_done": self.info.position.epochs,
            "train_transform": self.info.train_transform,
        });
        if let (Some(selected), Some(fields)) = (&self.info.selected, recipe.as_object_mut()) {
            fields.insert("selected".to_owned(), serde_json::json!(selected));
        }
        Ok(BackboneInfo {
            architecture: self.backbone.architecture(),
            weights_digest: digest(named).map_err(ExtractError::torch("read the weights"))?,
            recipe,
            ..BackboneInfo::default()
        })
    }
}

/// What to do about a folder without a checkpoint: `train --seeds` leaves one in each of its subfolders.
fn seeds_hint(folder: &Path) -> String {
    let holds_checkpoint = |path: &PathBuf| path.join(CHECKPOINT_FILE).is_file();
    let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut seeds: Vec<String> = inside
        .map(|entry| entry.path())
        .filter(holds_checkpoint)
        .map(|path| format!("`{}`", path.display()))
        .collect();
    seeds.sort();
    match seeds.as_slice() {
        [] => "make one with `extractor train`".to_owned(),
        _ => format!("it holds checkpoints of several seeds: give one of {}", seeds.join(", ")),
    }
}

/// Builds backbone and head of a recipe with their initial weights.
pub(super) fn build(
    recipe: &Recipe,
    classes: usize,
    compute: Compute,
) -> Result<(Backbone, Head), ExtractError> {
    let Recipe { backbone, width, seed, init, .. } = recipe;
    let backbone = Backbone::initialised(backbone, *width, *seed, *init, compute)?;
    let builder = ParameterBuilder::new(recipe.seed, compute.device, compute.layout);
    let kind = LossKind::named(&recipe.loss)?.head;
    let head = Head::new(kind, builder, classes, backbone.feature_dim())
        .map_err(ExtractError::torch("build the head"))?;
    Ok((backbone, head))
}

/// Writes a checkpoint by rename.
pub(super) fn save(
    folder: &Path,
    info: &CheckpointInfo,
    tensors: &[(String, Tensor)],
) -> Result<(), ExtractError> {
    let text = serde_json::to_string(info).unwrap_or_default();
    let bytes = encode(tensors, text).map_err(ExtractError::torch("collect the checkpoint"))?;
    Ok(files::atomic::write_atomic(&checkpoint_path(folder), &bytes)?)
}

/// The unfinished or finished run in a folder, if there is one, after a check that it is the one asked for.
pub(super) fn resume(
    folder: &Path,
    asked: &CheckpointInfo,
) -> Result<Option<(Position, TensorFile)>, ExtractError> {
    let path = folder.join(CHECKPOINT_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let file = TensorFile::read(&path)?;
    let there = read_info(&file)?;
    let differences = there.differences(asked);
    if !differences.is_empty() {
        return Err(ExtractError::OtherSettings { path, differences });
    }
    Ok(Some((there.position, file)))
}

pub(super) fn read_info(file: &TensorFile) -> Result<CheckpointInfo, ExtractError> {
    let malformed = |got: String| ExtractError::Malformed {
        path: file.path().to_owned(),
        expected: "a checkpoint of `extractor train`".to_owned(),
        got,
        hint: "give another `--out`, or remove the file".to_owned(),
    };
    let text = file.metadata()?.ok_or_else(|| malformed("tensors of another program".to_owned()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    match value.get("format_version").and_then(Value::as_u64) {
        Some(version) if version == u64::from(FORMAT_VERSION) => {}
        Some(version) => {
            return Err(malformed(format!("format version {version}, this program reads {FORMAT_VERSION}")));
        }
        None => return Err(malformed("no format version".to_owned())),
    }
    let info: CheckpointInfo = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
    info.recipe.check()?;
    Ok(info)
}

fn checkpoint_path(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(CHECKPOINT_FILE) } else { path.to_owned() }
}

fn collect_differences(name: &str, there: &Value, asked: &Value, found: &mut Vec<String>) {
    match (there, asked) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
                let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                let side =
                    |fields: &serde_json::Map<String, Value>| fields.get(key).cloned().unwrap_or(Value::Null);
                collect_differences(&path, &side(left), &side(right), found);
            }
        }
        _ if there == asked => {}
        _ if is_long(there) || is_long(asked) => found.push(match name {
            "dataset.root_digest" => {
                "other files of the data set, by names, labels, sizes or contents".to_owned()
            }
            "dataset.index_digest" => "other training images".to_owned(),
            "class_counts" => "other numbers of images of the classes".to_owned(),
            _ => format!("{name}: another value"),
        }),
        _ => found.push(format!("{name}: there {there}, asked for {asked}")),
    }
}

/// Lists of all classes and digests tell a reader nothing.
fn is_long(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.len() > 8,
        Value::String(text) => text.len() > 40,
        _ => false,
    }
}
