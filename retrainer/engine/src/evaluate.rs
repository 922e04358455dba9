//! From parameters to accuracies and metrics on a split.

use super::{
    classifier::Logits,
    data::{Data, EvaluationSplit, pieces},
    error::TrainError,
    head::Head,
};
use cache::ClassCounts;
use experiment::plan::memory::{EVALUATION_ROWS, rows_at_once};
use experiment::{
    metrics::{Evaluation, Metrics},
    plan::Precision,
};
use rayon::prelude::*;
use std::ops::Range;
use tch::{Device, Kind, Tensor};
use torch::numbers::{read_f32, size, to_f32};

/// Heads that are measured together.
#[derive(Debug)]
pub(super) struct Heads<'a> {
    pub(super) logits: &'a dyn Logits,
    /// Number of heads H.
    pub(super) count: usize,
}

impl Heads<'_> {
    /// Logits `[n, H·C]`; with test-time augmentation the mean of both views' logits.
    pub(super) fn logits(
        &self,
        data: &Data<'_>,
        split: &EvaluationSplit<'_>,
        range: Range<usize>,
    ) -> Result<Tensor, TrainError> {
        let logits = |features| self.logits.logits(&data.rows(features), Precision::F32);
        if self.logits.is_linear(data) {
            return logits(split.mean_view(range)?);
        }
        let mut mean: Option<Tensor> = None;
        for view in split.views(&range)? {
            let logits = logits(view)?;
            mean = Some(match mean {
                None => logits,
                Some(first) => first.f_lerp(&logits, 0.5)?,
            });
        }
        mean.ok_or_else(|| TrainError::Torch("a split without views".to_owned()))
    }
}

/// All metrics of each head, whose weights are `linear`, and which samples it has right.
pub(super) fn metrics(
    heads: &Heads<'_>,
    linear: &[Head],
    data: &Data<'_>,
    split: &EvaluationSplit<'_>,
    class_counts: &ClassCounts,
) -> Result<Vec<Metrics>, TrainError> {
    let mut evaluations = vec![Evaluation::new(class_counts); heads.count];
    if data.device == Device::Cpu {
        update(&mut evaluations, heads, data, split)?;
    } else {
        update_head_by_head(&mut evaluations, heads, data, split)?;
    }
    for (evaluation, head) in evaluations.iter_mut().zip(linear) {
        evaluation.set_weight_norms(&head.norms())?;
    }
    let finish = |evaluation: &Evaluation| {
        let mut metrics = evaluation.finish();
        let hits = evaluation.hits(split.labels).map(|hits| hits.pack()).transpose();
        metrics.per_class.hits = hits.map_err(|error| TrainError::Worker(error.to_string()))?;
        let confusions = evaluation.confusions().map(|confusions| confusions.pack()).transpose();
        metrics.per_class.confusions = confusions.map_err(|error| TrainError::Worker(error.to_string()))?;
        Ok(metrics)
    };
    if data.device == Device::Cpu {
        // Workers keep all cores busy.
        evaluations.iter().map(finish).collect()
    } else {
        evaluations.par_iter().map(finish).collect()
    }
}

/// Adds the samples of a split, piece by piece, each head in its columns of `[n, H·C]`.
fn update(
    evaluations: &mut [Evaluation],
    heads: &Heads<'_>,
    data: &Data<'_>,
    split: &EvaluationSplit<'_>,
) -> Result<(), TrainError> {
    let classes = data.class_counts.classes();
    let stride = heads.count * classes;
    let mut numbers = Vec::new();
    for range in evaluation_pieces(split.labels.len(), stride) {
        let labels = split.labels.get(range.clone()).unwrap_or_default();
        read_f32(&heads.logits(data, split, range)?, &mut numbers)?;
        for (head, evaluation) in evaluations.iter_mut().enumerate() {
            evaluation.update_strided(&numbers, labels, head * classes, stride)?;
        }
    }
    Ok(())
}

/// As [`update`] beside a GPU, all cores together: while they look at the logits of some rows, those of the next are computed and
/// copied.
fn update_head_by_head(
    evaluations: &mut [Evaluation],
    heads: &Heads<'_>,
    data: &Data<'_>,
    split: &EvaluationSplit<'_>,
) -> Result<(), TrainError> {
    let classes = data.class_counts.classes();
    let mut ranges = evaluation_pieces(split.labels.len(), heads.count * classes);
    let mut launch = || ranges.next().map(|range| Transfer::start(heads, data, split, range)).transpose();
    let mut next = launch()?;
    while let Some(transfer) = next {
        let (range, logits) = transfer.wait()?;
        next = launch()?;
        let labels = split.labels.get(range).unwrap_or_default();
        let blocks = (0..heads.count).map(|head| Ok(logits.f_narrow(0, size(head), 1)?));
        let blocks = blocks.collect::<Result<Vec<_>, TrainError>>()?;
        evaluations.par_iter_mut().zip(blocks).try_for_each_init(
            Vec::new,
            |numbers, (evaluation, block)| {
                read_f32(&block, numbers)?;
                Ok::<_, TrainError>(evaluation.update(numbers, labels)?)
            },
        )?;
    }
    Ok(())
}

/// Logits on their way from a device to the host.
struct Transfer {
    rows: Range<usize>,
    /// `[H, n, C]`: of a head all in one place, so that a core reads no more than it looks at. Not there before the wait.
    logits: Tensor,
    /// A number of the device that comes after them.
    behind: Tensor,
}

impl Transfer {
    fn start(
        heads: &Heads<'_>,
        data: &Data<'_>,
        split: &EvaluationSplit<'_>,
        rows: Range<usize>,
    ) -> Result<Self, TrainError> {
        let classes = data.class_counts.classes();
        let logits = heads.logits(data, split, rows.clone())?;
        let by_head = logits.f_view([-1, size(heads.count), size(classes)])?.f_permute([1, 0, 2])?;
        let by_head = by_head.f_contiguous()?;
        // What does not wait is copied to page-locked memory, which libtorch keeps for the next piece.
        let on_host = by_head.f_to_device_(Device::Cpu, Kind::Float, true, false)?;
        Ok(Self { rows, logits: on_host, behind: Tensor::f_zeros([1], (Kind::Float, data.device))? })
    }

    /// The rows and their logits, which have arrived.
    fn wait(self) -> Result<(Range<usize>, Tensor), TrainError> {
        // A device does one thing after the other: a copy that waits comes after those that do not.
        to_f32(&self.behind)?;
        Ok((self.rows, self.logits))
    }
}

/// Ranges of rows whose logits fit into memory.
pub(super) fn evaluation_pieces(rows: usize, columns: usize) -> impl Iterator<Item = Range<usize>> {
    pieces(rows, EVALUATION_ROWS.min(rows_at_once(columns)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        classifier::Linear,
        head::{Head, Start},
    };
    use cache::{FeatureCache, synthetic::SyntheticCache};
    use experiment::metrics::NLL;

    #[test]
    fn heads_are_measured_alike_in_columns_and_head_by_head() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        SyntheticCache::default().write(&path).unwrap();
        let cache = FeatureCache::open(&path).unwrap();
        let data = Data::new(&cache, Device::Cpu, true, false).unwrap();
        let classes = data.class_counts.classes();
        let linear: Vec<_> = (0..3).map(|seed| Head::fresh(classes, data.dim, seed)).collect();
        let logits = Linear::new(&linear, Device::Cpu).unwrap();
        let heads = Heads { logits: &logits, count: 3 };
        let measured = |update: &dyn Fn(&mut [Evaluation]) -> Result<(), TrainError>| {
            let mut evaluations = vec![Evaluation::new(data.class_counts); 3];
            update(&mut evaluations).unwrap();
            evaluations.iter().map(Evaluation::finish).collect::<Vec<_>>()
        };
        let columns = measured(&|evaluations| update(evaluations, &heads, &data, &data.test));
        let by_head = measured(&|evaluations| update_head_by_head(evaluations, &heads, &data, &data.test));
        assert_eq!(columns, by_head);
        assert!(columns[0].values.get(NLL).is_some());
        assert_ne!(columns[0], columns[1]);
    }
}
