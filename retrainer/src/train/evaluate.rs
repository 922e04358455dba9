//! From parameters to accuracies and metrics on a split.

use super::{
    EVALUATION_ROWS,
    bridge::{from_i64, size, to_counts, to_f32},
    classifier::Parameters,
    data::{Data, EvaluationSplit, Inputs, pieces, unit_rows},
    error::TrainError,
    rows_at_once,
    weights::LinearHead,
};
use crate::{
    head::Classifier,
    metrics::{ClassSizes, Evaluation, Metrics},
    plan::Precision,
};
use rayon::prelude::*;
use shared::{ClassCounts, ClassId};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Heads that are measured together.
#[derive(Debug)]
pub(super) struct Heads<'a> {
    pub(super) parameters: &'a Parameters,
    /// Number of heads H.
    pub(super) count: usize,
    /// For linear parameters on unit features: their centre, `[1, D]`.
    pub(super) unit_centre: Option<Tensor>,
    /// For linear parameters: whether |f|²/2 is subtracted, [`HeadForm::Distance`](super::weights::HeadForm).
    pub(super) distances: bool,
}

impl Heads<'_> {
    /// Logits `[n, H·C]`; with test-time augmentation the mean of both views' logits.
    fn logits(
        &self,
        data: &Data<'_>,
        split: &EvaluationSplit<'_>,
        range: Range<usize>,
    ) -> Result<Tensor, TrainError> {
        let classifier = self.parameters.classifier();
        let linear = match classifier {
            Classifier::Linear => self.unit_centre.is_none() && !self.distances,
            Classifier::Rescaled => !data.cosine_base(),
            Classifier::Cosine | Classifier::Aligned => false,
        };
        if linear {
            // Linear in the features, so the mean of the features does.
            let inputs = data.inputs(split.mean_view(range)?, classifier)?;
            return self.parameters.logits(&inputs, Precision::F32);
        }
        let mut mean: Option<Tensor> = None;
        for view in split.views(&range)? {
            let shared = self.distances.then(|| half_squares(&view)).transpose()?;
            let inputs = match &self.unit_centre {
                Some(centre) => Inputs::Features(unit_rows(&view.f_sub(centre)?)?),
                None => data.inputs(view, classifier)?,
            };
            let mut logits = self.parameters.logits(&inputs, Precision::F32)?;
            if let Some(shared) = shared {
                let _ = logits.f_sub_(&shared)?;
            }
            mean = Some(match mean {
                None => logits,
                Some(first) => first.f_lerp(&logits, 0.5)?,
            });
        }
        mean.ok_or_else(|| TrainError::Torch("a split without views".to_owned()))
    }
}

/// |f|²/2 of each row, `[n, 1]`.
fn half_squares(rows: &Tensor) -> Result<Tensor, TrainError> {
    let squares = rows.f_square()?.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
    Ok(squares.f_mul_scalar(0.5)?)
}

/// Mean of per-class accuracies of each head, an exact fraction: what epochs are chosen by, the earliest of equals. Counted
/// on the device; one sync at the end.
pub(super) fn balanced_accuracy(
    heads: &Heads<'_>,
    data: &Data<'_>,
    split: &EvaluationSplit<'_>,
) -> Result<Vec<f64>, TrainError> {
    let (device, classes) = (data.device, data.class_counts.classes());
    let mut samples = vec![0; classes];
    for label in split.labels {
        if let Some(count) = samples.get_mut(label.index()) {
            *count += 1;
        }
    }
    let sizes = ClassSizes::new(&samples);
    // Hits of all classes of one size; whole numbers, so that no order of the sums matters.
    let mut correct = Tensor::f_zeros([size(sizes.groups()), size(heads.count)], (Kind::Double, device))?;
    for range in evaluation_pieces(split.labels.len(), heads.count * classes) {
        let labels = split.labels.get(range.clone()).unwrap_or_default();
        let numbers: Vec<i64> = labels.iter().map(|label| i64::from(label.0)).collect();
        let groups: Vec<i64> =
            labels.iter().filter_map(|label| sizes.group(label.index())).map(size).collect();
        let index = |numbers: &[i64]| from_i64(numbers, &[size(numbers.len())], device);
        let logits = heads.logits(data, split, range)?.f_view([-1, size(heads.count), size(classes)])?;
        let hits = logits.f_argmax(2, false)?.f_eq_tensor(&index(&numbers)?.f_unsqueeze(1)?)?;
        let _ = correct.f_index_add_(0, &index(&groups)?, &hits.f_to_kind(Kind::Double)?)?;
    }
    let correct = to_counts(&correct)?; // [groups, H]
    let of_head = |head: usize| correct.iter().skip(head).step_by(heads.count).copied().collect::<Vec<_>>();
    Ok((0..heads.count).map(|head| sizes.mean(&of_head(head)).unwrap_or(0.0)).collect())
}

/// All metrics of each head, whose weights are `linear`, and which samples it has right.
pub(super) fn metrics(
    heads: &Heads<'_>,
    linear: &[LinearHead],
    data: &Data<'_>,
    split: &EvaluationSplit<'_>,
    class_counts: &ClassCounts,
) -> Result<Vec<Metrics>, TrainError> {
    let classes = class_counts.classes();
    let stride = heads.count * classes;
    let mut evaluations = vec![Evaluation::new(class_counts); heads.count];
    for range in evaluation_pieces(split.labels.len(), stride) {
        let labels: &[ClassId] = split.labels.get(range.clone()).unwrap_or_default();
        let logits = to_f32(&heads.logits(data, split, range)?)?;
        let update = |(head, evaluation): (usize, &mut Evaluation)| {
            evaluation.update_strided(&logits, labels, head * classes, stride)
        };
        if data.device == Device::Cpu {
            // Workers keep all cores busy.
            evaluations.iter_mut().enumerate().try_for_each(update)?;
        } else {
            evaluations.par_iter_mut().enumerate().try_for_each(update)?;
        }
    }
    for (evaluation, head) in evaluations.iter_mut().zip(linear) {
        evaluation.set_weight_norms(&head.norms())?;
    }
    let finish = |evaluation: &Evaluation| {
        let mut metrics = evaluation.finish();
        let hits = evaluation.hits(split.labels).map(|hits| hits.pack()).transpose();
        metrics.per_class.hits = hits.map_err(|error| TrainError::Worker(error.to_string()))?;
        Ok(metrics)
    };
    evaluations.iter().map(finish).collect()
}

/// Ranges of rows whose logits fit into memory.
fn evaluation_pieces(rows: usize, columns: usize) -> impl Iterator<Item = Range<usize>> {
    pieces(rows, EVALUATION_ROWS.min(rows_at_once(columns)))
}
