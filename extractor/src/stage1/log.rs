//! `train.jsonl`: one line for each finished epoch.

use super::accuracy::Accuracy;
use crate::ExtractError;
use files::regular;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// The file in the checkpoint folder.
pub const LOG_FILE: &str = "train.jsonl";

/// What is known at the end of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: u32,
    /// Mean training loss of the epoch, on augmented images, while the weights moved.
    pub loss: f64,
    /// Learning rate of the epoch.
    pub lr: f64,
    /// Fraction of the augmented training images that were classified correctly while the weights moved.
    pub train_accuracy: f64,
    /// Accuracy on the clean test images at the end of the epoch; `None` where it was not measured.
    pub test: Option<Accuracy>,
    /// Likewise on the validation images, where these choose the epoch to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val: Option<Accuracy>,
    /// Seconds of training, without the test.
    pub seconds: f64,
    /// Training images per second.
    pub images_per_second: f64,
}

/// Reads the records of a checkpoint folder, without torn or foreign lines; an absent file holds none.
///
/// # Errors
/// [`ExtractError::File`].
pub fn read_log(folder: &Path) -> Result<Vec<EpochRecord>, ExtractError> {
    let path = log_path(folder);
    let text = match regular::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(ExtractError::io("read", &path)(error)),
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Adds the record of an epoch.
pub(super) fn append(folder: &Path, record: &EpochRecord) -> Result<(), ExtractError> {
    Ok(files::atomic::append_line(&log_path(folder), &line(record))?)
}

/// Removes the records after `epochs`: those of epochs that a killed run did not store a checkpoint of; returns which of the
/// others are not there.
pub(super) fn cut_back(folder: &Path, epochs: u32) -> Result<Vec<u32>, ExtractError> {
    let mut kept = read_log(folder)?;
    kept.retain(|record| (1..=epochs).contains(&record.epoch));
    let text: String = kept.iter().map(|record| line(record) + "\n").collect();
    files::atomic::write_atomic(&log_path(folder), text.as_bytes())?;
    let there: BTreeSet<u32> = kept.iter().map(|record| record.epoch).collect();
    Ok((1..=epochs).filter(|epoch| !there.contains(epoch)).collect())
}

fn line(record: &EpochRecord) -> String {
    // A struct of numbers always has a JSON form.
    serde_json::to_string(record).unwrap_or_default()
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join(LOG_FILE)
}
