//! Features as the engine reads them: gathered from the memory map on the CPU, resident on a CUDA device.

use super::{
    bridge::{from_bytes, from_f32, from_i64, size},
    error::TrainError,
};
use shared::{ClassCounts, ClassId, Dtype, FeatureCache, FeatureView, Split, Stage1Head, View};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Features of one view, `[N, D]`.
#[derive(Debug)]
pub(super) enum Features<'cache> {
    /// Read from the map, row by row, widened to f32.
    Mapped(FeatureView<'cache>),
    /// On the device, as stored.
    Resident(Tensor),
}

impl<'cache> Features<'cache> {
    fn new(
        cache: &'cache FeatureCache,
        split: Split,
        view: View,
        device: Device,
    ) -> Result<Self, TrainError> {
        let mapped = cache.view(split, view)?;
        if device == Device::Cpu {
            return Ok(Self::Mapped(mapped));
        }
        let kind = match cache.manifest().dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::Bf16 => Kind::BFloat16,
        };
        let shards = mapped
            .stored()
            .map(|(rows, bytes)| from_bytes(bytes, &[size(rows), size(mapped.dim())], kind, device))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::Resident(Tensor::f_cat(&shards, 0)?))
    }

    /// The rows of `indices` as f32, `[indices.len(), D]`.
    fn gather(&self, indices: &[u32], device: Device) -> Result<Tensor, TrainError> {
        match self {
            Self::Mapped(view) => {
                let mut rows = vec![0.0; indices.len() * view.dim()];
                view.gather(indices, &mut rows)?;
                from_f32(&rows, &[size(indices.len()), size(view.dim())], device)
            }
            Self::Resident(features) => {
                let indices: Vec<i64> = indices.iter().map(|&index| i64::from(index)).collect();
                let indices = from_i64(&indices, &[size(indices.len())], device)?;
                Ok(features.f_index_select(0, &indices)?.f_to_kind(Kind::Float)?)
            }
        }
    }

    /// Consecutive rows as f32.
    fn rows(&self, range: Range<usize>, device: Device) -> Result<Tensor, TrainError> {
        match self {
            Self::Mapped(view) => {
                let mut rows = vec![0.0; range.len() * view.dim()];
                let length = size(range.len());
                view.read_rows(range, &mut rows)?;
                from_f32(&rows, &[length, size(view.dim())], device)
            }
            Self::Resident(features) => {
                let rows = features.f_narrow(0, size(range.start), size(range.len()))?;
                Ok(rows.f_to_kind(Kind::Float)?)
            }
        }
    }
}

/// A split to evaluate on.
#[derive(Debug)]
pub(super) struct EvaluationSplit<'cache> {
    clean: Features<'cache>,
    flipped: Option<Features<'cache>>,
    pub(super) labels: &'cache [ClassId],
    device: Device,
}

impl<'cache> EvaluationSplit<'cache> {
    fn new(
        cache: &'cache FeatureCache,
        split: Split,
        test_time_augmentation: bool,
        device: Device,
    ) -> Result<Self, TrainError> {
        let flipped = test_time_augmentation && cache.has(split, View::Flipped);
        Ok(Self {
            clean: Features::new(cache, split, View::Clean, device)?,
            flipped: flipped.then(|| Features::new(cache, split, View::Flipped, device)).transpose()?,
            labels: cache.labels(split),
            device,
        })
    }

    /// Consecutive rows; with test-time augmentation the mean of clean and flipped features, whose linear logits are the
    /// mean of both logits.
    pub(super) fn rows(&self, range: Range<usize>) -> Result<Tensor, TrainError> {
        let clean = self.clean.rows(range.clone(), self.device)?;
        match &self.flipped {
            None => Ok(clean),
            Some(flipped) => Ok(clean.f_lerp(&flipped.rows(range, self.device)?, 0.5)?),
        }
    }
}

/// Everything of a cache that one worker reads.
#[derive(Debug)]
pub struct Data<'cache> {
    pub(super) device: Device,
    pub(super) dim: usize,
    pub(super) class_counts: &'cache ClassCounts,
    pub(super) labels: &'cache [ClassId],
    clean: Features<'cache>,
    augmented: Vec<Features<'cache>>,
    pub(super) val: Option<EvaluationSplit<'cache>>,
    pub(super) test: EvaluationSplit<'cache>,
    pub(super) stage1_head: Option<&'cache Stage1Head>,
}

impl<'cache> Data<'cache> {
    /// Opens the views that a sweep reads; on a CUDA device they are copied there once.
    ///
    /// # Errors
    /// [`TrainError::Cache`] for views that are not there, [`TrainError::Torch`] when the device is full.
    pub fn new(
        cache: &'cache FeatureCache,
        device: Device,
        test_time_augmentation: bool,
        augmented: bool,
    ) -> Result<Self, TrainError> {
        let views = cache
            .views(Split::Train)
            .into_iter()
            .filter(|view| augmented && matches!(view, View::Augmented(_)));
        let val = (!cache.labels(Split::Val).is_empty())
            .then(|| EvaluationSplit::new(cache, Split::Val, test_time_augmentation, device));
        Ok(Self {
            device,
            dim: cache.dim(),
            class_counts: cache.class_counts(),
            labels: cache.labels(Split::Train),
            clean: Features::new(cache, Split::Train, View::Clean, device)?,
            augmented: views
                .map(|view| Features::new(cache, Split::Train, view, device))
                .collect::<Result<_, _>>()?,
            val: val.transpose()?,
            test: EvaluationSplit::new(cache, Split::Test, test_time_augmentation, device)?,
            stage1_head: cache.stage1_head(),
        })
    }

    /// Training samples N.
    pub(super) fn samples(&self) -> usize {
        self.labels.len()
    }

    /// Features `[B, D]` and labels `[B]` of a batch; `augmented` names the epoch whose view is read.
    pub(super) fn batch(
        &self,
        indices: &[u32],
        augmented: Option<usize>,
    ) -> Result<(Tensor, Tensor), TrainError> {
        let count = self.augmented.len().max(1);
        let features = augmented.and_then(|epoch| self.augmented.get(epoch % count)).unwrap_or(&self.clean);
        let labels: Vec<i64> = indices
            .iter()
            .filter_map(|&index| self.labels.get(index as usize))
            .map(|label| i64::from(label.0))
            .collect();
        Ok((features.gather(indices, self.device)?, from_i64(&labels, &[size(indices.len())], self.device)?))
    }
}
