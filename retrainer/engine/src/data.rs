//! Features as the engine reads them: gathered from the memory map on the CPU, resident on a CUDA device.

use super::{
    error::TrainError,
    features::Features,
    head::{Head, Start},
    normalised::{Normaliser, unit_rows},
    sampler::RowsByClass,
    statistics::Statistics,
};
use cache::{ClassCounts, ClassId, FeatureCache, Split, View};
use experiment::plan::{
    Normalise,
    memory::{EVALUATION_ROWS, kept_logits},
};
use std::{cell::OnceCell, ops::Range, rc::Rc};
use tch::{Device, Kind, Tensor};
use torch::numbers::{from_f32, from_i64, size};

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
        normaliser: &Rc<Normaliser>,
        device: Device,
    ) -> Result<Self, TrainError> {
        let flipped = test_time_augmentation && cache.has(split, View::Flipped);
        Ok(Self {
            clean: Features::new(cache, split, View::Clean, normaliser, device)?,
            flipped: flipped
                .then(|| Features::new(cache, split, View::Flipped, normaliser, device))
                .transpose()?,
            labels: cache.labels(split),
            device,
        })
    }

    /// Consecutive rows; with test-time augmentation the mean of clean and flipped features, whose linear logits are the
    /// mean of both logits.
    pub(super) fn mean_view(&self, range: Range<usize>) -> Result<Tensor, TrainError> {
        let clean = self.clean.rows(range.clone(), self.device)?;
        match &self.flipped {
            None => Ok(clean),
            Some(flipped) => Ok(clean.f_lerp(&flipped.rows(range, self.device)?, 0.5)?),
        }
    }

    /// Consecutive rows of each view, for logits that are not linear in the features.
    pub(super) fn views(&self, range: &Range<usize>) -> Result<Vec<Tensor>, TrainError> {
        let views = std::iter::once(&self.clean).chain(&self.flipped);
        views.map(|view| view.rows(range.clone(), self.device)).collect()
    }
}

/// Everything of a cache that one worker reads.
#[derive(Debug)]
pub struct Data<'cache> {
    pub(super) device: Device,
    pub(super) dim: usize,
    pub(super) class_counts: &'cache ClassCounts,
    pub(super) labels: &'cache [ClassId],
    pub(super) rows_by_class: RowsByClass,
    clean: Features<'cache>,
    augmented: Vec<Features<'cache>>,
    pub(super) val: Option<EvaluationSplit<'cache>>,
    pub(super) test: EvaluationSplit<'cache>,
    /// The stage-1 head in its own form.
    pub(super) stage1: Option<Head>,
    /// It as columns `[D, C]` and bias `[1, C]`.
    base: Option<(Tensor, Tensor)>,
    /// Its logits at the clean view, `[N, C]`, made when first needed and small enough to keep.
    base_logits: OnceCell<Option<Tensor>>,
    pub(super) statistics: Statistics,
}

impl<'cache> Data<'cache> {
    /// [`Data::normalised`], as the cache has them.
    ///
    /// # Errors
    /// As there.
    pub fn new(
        cache: &'cache FeatureCache,
        device: Device,
        test_time_augmentation: bool,
        augmented: bool,
    ) -> Result<Self, TrainError> {
        Self::normalised(cache, device, Normalise::None, test_time_augmentation, augmented)
    }

    /// Opens the views that a sweep reads; on a CUDA device they are copied there once.
    ///
    /// # Errors
    /// [`TrainError::Cache`] for views that are not there, [`TrainError::Torch`] when the device is full.
    pub fn normalised(
        cache: &'cache FeatureCache,
        device: Device,
        normalise: Normalise,
        test_time_augmentation: bool,
        augmented: bool,
    ) -> Result<Self, TrainError> {
        let normaliser = Rc::new(Normaliser::new(cache, normalise, device)?);
        let views = cache
            .views(Split::Train)
            .into_iter()
            .filter(|view| augmented && matches!(view, View::Augmented(_)));
        let classes = cache.class_counts().classes();
        let stage1 = cache.stage1_head().map(Head::stage1);
        let base = stage1.as_ref().map(|head| {
            let weight = from_f32(&head.columns(), &[size(head.dim), size(head.classes)], device)?;
            Ok::<_, TrainError>((weight, from_f32(&head.bias, &[1, size(head.classes)], device)?))
        });
        let val = (!cache.labels(Split::Val).is_empty())
            .then(|| EvaluationSplit::new(cache, Split::Val, test_time_augmentation, &normaliser, device));
        Ok(Self {
            device,
            dim: cache.dim(),
            class_counts: cache.class_counts(),
            labels: cache.labels(Split::Train),
            rows_by_class: RowsByClass::new(cache.labels(Split::Train), classes),
            clean: Features::new(cache, Split::Train, View::Clean, &normaliser, device)?,
            augmented: views
                .map(|view| Features::new(cache, Split::Train, view, &normaliser, device))
                .collect::<Result<_, _>>()?,
            val: val.transpose()?,
            test: EvaluationSplit::new(cache, Split::Test, test_time_augmentation, &normaliser, device)?,
            stage1,
            base: base.transpose()?,
            base_logits: OnceCell::new(),
            statistics: Statistics::default(),
        })
    }

    /// Training samples N.
    pub(super) fn samples(&self) -> usize {
        self.labels.len()
    }

    /// Training rows of the clean view as f32, `[n, D]`.
    pub(super) fn train_rows(&self, range: Range<usize>) -> Result<Tensor, TrainError> {
        self.clean.rows(range, self.device)
    }

    /// The training samples of an epoch in this order; `augmented` names the epoch whose view is read.
    pub(super) fn pass(&self, order: Vec<u32>, augmented: Option<usize>) -> Result<Pass, TrainError> {
        let numbers: Vec<i64> = order.iter().map(|&index| i64::from(index)).collect();
        let indices = from_i64(&numbers, &[size(numbers.len())], self.device)?;
        let labels: Vec<i64> = order
            .iter()
            .filter_map(|&index| self.labels.get(index as usize))
            .map(|label| i64::from(label.0))
            .collect();
        let labels = from_i64(&labels, &[size(order.len())], self.device)?;
        Ok(Pass { order, indices, labels, augmented })
    }

    /// The samples of a pass in `range`; nothing is read before it is asked for, and nothing waits for the device.
    pub(super) fn batch<'a>(&'a self, pass: &'a Pass, range: Range<usize>) -> Batch<'a> {
        Batch::new(self, Source::Pass { pass, range, gathered: OnceCell::new() })
    }

    /// Features `[B, D]` as a batch.
    pub(super) fn rows(&self, features: Tensor) -> Batch<'_> {
        Batch::new(self, Source::Rows(features))
    }

    /// The view that a pass reads, and whether it is the clean one.
    fn view(&self, pass: &Pass) -> (&Features<'cache>, bool) {
        let count = self.augmented.len().max(1);
        let augmented = pass.augmented.and_then(|epoch| self.augmented.get(epoch % count));
        (augmented.unwrap_or(&self.clean), augmented.is_none())
    }

    /// The stage-1 head's logits `[B, C]`.
    fn base_logits(&self, features: &Tensor) -> Result<Tensor, TrainError> {
        let (weight, bias) = self.base.as_ref().ok_or(TrainError::MissingHead)?;
        if self.cosine_base() {
            return Ok(bias.f_addmm(&unit_rows(features)?, weight)?);
        }
        Ok(bias.f_addmm(features, weight)?)
    }

    /// Whether the stage-1 logits are those of a cosine classifier, and so not linear in the features.
    pub(super) fn cosine_base(&self) -> bool {
        self.stage1.as_ref().is_some_and(Head::reads_unit_features)
    }

    fn kept_base_logits(&self) -> Result<Option<&Tensor>, TrainError> {
        let kept = once(&self.base_logits, || {
            let small = kept_logits(self.samples(), self.class_counts.classes()) > 0;
            small.then(|| self.all_base_logits()).transpose()
        });
        Ok(kept?.as_ref())
    }

    /// The stage-1 head's logits at the clean view, `[N, C]`.
    fn all_base_logits(&self) -> Result<Tensor, TrainError> {
        let shape = [size(self.samples()), size(self.class_counts.classes())];
        let all = Tensor::f_empty(shape, (Kind::Float, self.device))?;
        for range in pieces(self.samples(), EVALUATION_ROWS) {
            let logits = self.base_logits(&self.train_rows(range.clone())?)?;
            all.f_narrow(0, size(range.start), size(range.len()))?.f_copy_(&logits)?;
        }
        Ok(all)
    }
}

/// What a cell holds, made when first asked for.
pub(super) fn once<T>(
    cell: &OnceCell<T>,
    make: impl FnOnce() -> Result<T, TrainError>,
) -> Result<&T, TrainError> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

/// The samples of an epoch in order, on the device as a whole: a copy for each batch would make the device wait each time.
#[derive(Debug)]
pub(super) struct Pass {
    order: Vec<u32>,
    /// `order`, `[n]` i64.
    indices: Tensor,
    /// `[n]` i64.
    labels: Tensor,
    augmented: Option<usize>,
}

impl Pass {
    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Labels `[B]` of the samples in `range`.
    pub(super) fn labels(&self, range: &Range<usize>) -> Result<Tensor, TrainError> {
        Ok(self.labels.f_narrow(0, size(range.start), size(range.len()))?)
    }

    fn indices(&self, range: &Range<usize>) -> Result<Tensor, TrainError> {
        Ok(self.indices.f_narrow(0, size(range.start), size(range.len()))?)
    }
}

/// Some samples as classifiers read them: each takes what it needs, and that is made once.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    data: &'a Data<'a>,
    source: Source<'a>,
    unit_features: OnceCell<Tensor>,
    base_logits: OnceCell<Tensor>,
}

/// Where a batch has its features from.
#[derive(Debug)]
enum Source<'a> {
    /// `[B, D]`.
    Rows(Tensor),
    /// The samples of a pass in a range.
    Pass { pass: &'a Pass, range: Range<usize>, gathered: OnceCell<Tensor> },
}

impl<'a> Batch<'a> {
    fn new(data: &'a Data<'a>, source: Source<'a>) -> Self {
        Self { data, source, unit_features: OnceCell::new(), base_logits: OnceCell::new() }
    }

    /// Features `[B, D]`.
    pub(super) fn features(&self) -> Result<&Tensor, TrainError> {
        match &self.source {
            Source::Rows(features) => Ok(features),
            Source::Pass { pass, range, gathered } => once(gathered, || {
                let order = pass.order.get(range.clone()).unwrap_or_default();
                self.data.view(pass).0.gather(order, &|| pass.indices(range))
            }),
        }
    }

    /// Features scaled to length 1, `[B, D]`.
    pub(super) fn unit_features(&self) -> Result<&Tensor, TrainError> {
        once(&self.unit_features, || unit_rows(self.features()?))
    }

    /// Logits of the stage-1 head, `[B, C]`, for a classifier that reads features too.
    pub(super) fn base_logits(&self) -> Result<&Tensor, TrainError> {
        once(&self.base_logits, || self.data.base_logits(self.features()?))
    }

    /// As [`Self::base_logits`] for a classifier on them alone, which needs no features of the clean view: that is what makes
    /// it cheap. N × C numbers are computed and kept for nobody else.
    pub(super) fn kept_base_logits(&self) -> Result<&Tensor, TrainError> {
        if let Source::Pass { pass, range, .. } = &self.source
            && self.data.view(pass).1
            && let Some(kept) = self.data.kept_base_logits()?
        {
            return once(&self.base_logits, || Ok(kept.f_index_select(0, &pass.indices(range)?)?));
        }
        self.base_logits()
    }
}

/// Ranges of at most `step` rows.
pub(super) fn pieces(rows: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    let step = step.max(1);
    (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::synthetic::SyntheticCache;

    /// A plain head once computed and kept all N × C stage-1 logits: 463 MB at the size of ImageNet-LT.
    #[test]
    fn stage_1_logits_are_kept_only_for_heads_that_train_on_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        SyntheticCache::default().write(&path).unwrap();
        let cache = FeatureCache::open(&path).unwrap();
        let data = Data::new(&cache, Device::Cpu, false, false).unwrap();
        let pass = data.pass(vec![0, 3, 1], None).unwrap();
        let batch = data.batch(&pass, 1..3);
        let (fresh, features) = (batch.base_logits().unwrap(), batch.features().unwrap());
        assert!(batch.unit_features().is_ok() && data.base_logits.get().is_none());
        let own = data.rows(features.shallow_clone());
        assert!(own.kept_base_logits().is_ok() && data.base_logits.get().is_none());
        let batch = data.batch(&pass, 1..3);
        let kept = batch.kept_base_logits().unwrap();
        assert!(data.base_logits.get().is_some());
        assert!(kept.allclose(fresh, 1e-6, 1e-6, false));
    }
}
