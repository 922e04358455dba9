//! What chooses an epoch.

use crate::{
    ExtractError,
    datasets::{Dataset, ImageSet},
};
use serde::{Deserialize, Serialize};

/// The split whose accuracy chooses the epoch that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// The test split, as published code has it: its accuracy is no measurement any more
    Test,
    /// The validation split
    Val,
}

impl Judge {
    /// The validation images, if they choose.
    ///
    /// # Errors
    /// [`ExtractError::InvalidSetting`] when there are none.
    pub(super) fn validation(
        judge: Option<Self>,
        dataset: &Dataset,
    ) -> Result<Option<&ImageSet>, ExtractError> {
        match (judge, &dataset.val) {
            (Some(Self::Val), None) => Err(ExtractError::InvalidSetting {
                name: "--keep-best",
                expected: "a split that there is".to_owned(),
                got: "val, and no validation images".to_owned(),
                hint: "give `--val-per-class`, a list of validation images, or `--keep-best test`".to_owned(),
            }),
            (Some(Self::Val), Some(images)) => Ok(Some(images)),
            _ => Ok(None),
        }
    }
}

/// Why an epoch was kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// The split that chose it.
    pub by: Judge,
    /// Its mean of per-class accuracies on that split.
    pub accuracy: f64,
}
