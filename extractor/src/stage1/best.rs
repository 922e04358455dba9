//! The best epoch of a run so far, kept beside its last: published code reports it, chosen by the test split.

use super::{
    checkpoint::{self, CHECKPOINT_FILE, CheckpointInfo},
    judge::{Judge, Selected},
    log::{self, EpochRecord},
};
use crate::{ExtractError, weights::TensorFile};
use std::path::{Path, PathBuf};
use tch::Tensor;

/// The folder in that of the checkpoint.
pub const BEST_FOLDER: &str = "best";

/// The best epoch so far, on disk.
#[derive(Debug)]
pub(super) struct Best {
    judge: Judge,
    folder: PathBuf,
    accuracy: Option<f64>,
}

impl Best {
    /// The one that a run left in `folder`, or none yet.
    ///
    /// A run that was killed may have kept an epoch after its last checkpoint: it was reached, and its accuracy counts.
    ///
    /// # Errors
    /// [`ExtractError::OtherSettings`] for the best of another run or by another split; [`ExtractError::InvalidSetting`] for a
    /// run whose epochs before were not kept; those of a damaged checkpoint.
    pub(super) fn new(judge: Judge, run_folder: &Path, run: &CheckpointInfo) -> Result<Self, ExtractError> {
        let folder = run_folder.join(BEST_FOLDER);
        let path = folder.join(CHECKPOINT_FILE);
        if folder.is_dir() {
            files::atomic::remove_leftovers(&folder)?;
        }
        let mut accuracy = None;
        if path.is_file() {
            let there = checkpoint::read_info(&TensorFile::read(&path)?)?;
            let mut differences = there.differences(run);
            match there.selected {
                Some(selected) if selected.by == judge => accuracy = Some(selected.accuracy),
                _ => differences.push(format!("--keep-best: asked for {judge:?}").to_lowercase()),
            }
            if !differences.is_empty() {
                return Err(ExtractError::OtherSettings { path, differences });
            }
        } else {
            refuse_late(run_folder)?;
        }
        Ok(Self { judge, folder, accuracy })
    }

    /// Why this epoch is better than all before, if it is; of equal ones the first is kept.
    pub(super) fn improved_by(&self, record: &EpochRecord) -> Option<Selected> {
        let measured = match self.judge {
            Judge::Test => record.test,
            Judge::Val => record.val,
        };
        let accuracy = measured?.all?;
        (self.accuracy.is_none_or(|best| accuracy > best)).then_some(Selected { by: self.judge, accuracy })
    }

    /// Stores an epoch in place of the one before.
    pub(super) fn keep(
        &mut self,
        info: &CheckpointInfo,
        parameters: &[(String, Tensor)],
    ) -> Result<(), ExtractError> {
        std::fs::create_dir_all(&self.folder).map_err(ExtractError::io("create", &self.folder))?;
        checkpoint::save(&self.folder, info, parameters)?;
        self.accuracy = info.selected.map(|selected| selected.accuracy);
        Ok(())
    }
}

/// Refuses a run with measured epochs and none kept: the best of the rest would pass for the best of all.
fn refuse_late(folder: &Path) -> Result<(), ExtractError> {
    match log::read_log(folder)?.iter().filter(|record| record.test.is_some()).count() {
        0 => Ok(()),
        measured => Err(ExtractError::InvalidSetting {
            name: "--keep-best",
            expected: "it from the first epoch on".to_owned(),
            got: format!("a run with {measured} measured epochs and none kept, in `{}`", folder.display()),
            hint: "leave it out, or give another `--out`".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage1::Accuracy;

    #[test]
    fn later_epochs_are_kept_when_they_are_better_and_not_when_they_are_as_good() {
        let mut best = Best { judge: Judge::Val, folder: PathBuf::new(), accuracy: None };
        let accuracy = |all| Some(Accuracy { all, ..Accuracy::default() });
        let record = |epoch, all: Option<f64>| EpochRecord {
            epoch,
            loss: 0.0,
            lr: 0.0,
            train_accuracy: 0.0,
            test: accuracy(Some(1.0)),
            val: all.and_then(|all| accuracy(Some(all))),
            seconds: 0.0,
            images_per_second: 0.0,
        };
        let measured = [Some(0.2), None, Some(0.5), Some(0.5), Some(0.4), Some(0.6)];
        let mut kept = Vec::new();
        for (epoch, all) in (1..).zip(measured) {
            if let Some(selected) = best.improved_by(&record(epoch, all)) {
                best.accuracy = Some(selected.accuracy);
                kept.push((epoch, selected.accuracy));
            }
        }
        assert_eq!(kept, [(1, 0.2), (3, 0.5), (6, 0.6)]);
    }
}
