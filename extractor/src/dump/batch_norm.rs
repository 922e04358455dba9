//! Batch normalisation as published stage-2 code has it: the frozen network stays in training mode.
//!
//! Training views are computed in shuffled batches, each normalised by its own statistics; a *pass* over a training view
//! also moves the running statistics, as an epoch of stage 2 does. The passes are those over the views that a head
//! trains on: the augmented views in order, or the clean view where there are none. A clean view beside augmented ones is
//! normalised by its batches, too, and moves nothing. The held-out views are then normalised by the running statistics as
//! the last pass left them, as published code evaluates.
//!
//! With PyTorch's momentum of 0.1 a batch's weight falls by a tenth with every batch after it: after 170 batches (an epoch
//! of CIFAR100-LT) nothing of stage 1 is left, and the statistics are those of the last few dozen batches of training images.
//!
//! # Source
//! The code of LORT, of Alshammari et al. 2022 (LTWB), of Kang et al. 2020 and of Zhong et al. 2021 (MiSLAS, there an option).

use super::DumpSettings;
use crate::{
    ExtractError,
    backbones::Backbone,
    weights::{TensorFile, encode},
};
use cache::ViewId;
use files::atomic;
use longtail::random;
use std::{ops::Range, path::PathBuf};
use tch::{TchError, Tensor};

/// The running statistics of a backbone on their way through the passes, and the file that a killed dump goes on from.
#[derive(Debug)]
pub(super) struct Drift {
    path: PathBuf,
    /// The backbone's own tensors.
    statistics: Vec<(String, Tensor)>,
    passes: usize,
}

impl Drift {
    /// The statistics after the passes that are in the file, or those of stage 1 where there is none.
    pub(super) fn begin(backbone: &Backbone, path: PathBuf) -> Result<Self, ExtractError> {
        let statistics: Vec<(String, Tensor)> = backbone
            .parameters()
            .statistics()
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
            .collect();
        let mut passes = 0;
        if path.exists() {
            let file = TensorFile::read(&path)?;
            passes = file.metadata()?.and_then(|text| text.parse().ok()).ok_or_else(|| {
                ExtractError::Malformed {
                    path: path.clone(),
                    expected: "running statistics of an unfinished dump".to_owned(),
                    got: "no number of passes".to_owned(),
                    hint: "remove it, and the dump computes them again".to_owned(),
                }
            })?;
            file.copy_into(statistics.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
        }
        Ok(Self { path, statistics, passes })
    }

    /// Finished passes.
    pub(super) fn passes(&self) -> usize {
        self.passes
    }

    /// Keeps the statistics as the pass that just ended has left them.
    pub(super) fn advance(&mut self) -> Result<(), ExtractError> {
        self.passes += 1;
        let bytes = encode(&self.statistics, self.passes.to_string())
            .map_err(ExtractError::torch("collect the running statistics"))?;
        Ok(atomic::write_atomic(&self.path, &bytes)?)
    }

    /// The values of the statistics now.
    pub(super) fn values(&self) -> Result<Vec<Tensor>, TchError> {
        let copy = |(_, tensor): &(String, Tensor)| {
            let mut copy = tensor.f_zeros_like()?;
            copy.f_copy_(tensor)?;
            Ok(copy)
        };
        self.statistics.iter().map(copy).collect()
    }

    /// Puts values back that a pass has moved which should move nothing.
    pub(super) fn restore(&self, values: &[Tensor]) -> Result<(), TchError> {
        for ((_, tensor), value) in self.statistics.iter().zip(values) {
            tensor.shallow_clone().f_copy_(value)?;
        }
        Ok(())
    }
}

/// The shuffled order of a training view's rows: a function of seed and view alone.
pub(super) fn order(seed: u64, id: ViewId, rows: usize) -> Vec<u32> {
    let mut stream = random::stream(seed, &format!("dump order of {id}"), 0);
    random::permutation(&mut stream, rows)
}

/// Batches of a pass; the last one may be smaller, but a single image is no batch: it joins the one before.
pub(super) fn batches(rows: usize, batch_size: usize) -> Vec<Range<usize>> {
    let step = batch_size.max(1);
    let mut batches: Vec<Range<usize>> =
        (0..rows).step_by(step).map(|start| start..rows.min(start.saturating_add(step))).collect();
    if step > 1 && rows % step == 1 && batches.len() > 1 {
        batches.pop();
        if let Some(last) = batches.last_mut() {
            last.end = rows;
        }
    }
    batches
}

/// The passes, short enough to be read where two dumps differ, for the manifest.
pub(super) fn describe(settings: &DumpSettings) -> String {
    let passes = if settings.augmented == 0 {
        "clean".to_owned()
    } else {
        format!("augmented x{}", settings.augmented)
    };
    format!("passes({passes})|shuffle|batch({})|seed({})", settings.train_batch_size, settings.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::{Split, View};

    #[test]
    fn every_row_is_in_one_batch_and_no_batch_is_a_single_image() {
        assert_eq!(batches(10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(batches(9, 4), [0..4, 4..9]);
        assert!(batches(1, 4).into_iter().eq(std::iter::once(0..1)));
        assert_eq!(batches(3, 1), [0..1, 1..2, 2..3]);
        assert!(batches(0, 4).is_empty());
        for (rows, size) in [(10_847, 64), (129, 64), (65, 64), (64, 64), (7, usize::MAX)] {
            let batches = batches(rows, size);
            assert!(batches.iter().cloned().flatten().eq(0..rows));
            assert!(batches.iter().all(|batch| batch.len() > 1));
        }
    }

    #[test]
    fn orders_differ_between_views_and_seeds() {
        let id = |k| ViewId::new(Split::Train, View::Augmented(k));
        assert_eq!(order(0, id(0), 100), order(0, id(0), 100));
        assert_ne!(order(0, id(0), 100), order(0, id(1), 100));
        assert_ne!(order(0, id(0), 100), order(1, id(0), 100));
    }
}
