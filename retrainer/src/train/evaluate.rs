//! From weights to accuracies and metrics on a split.

use super::{
    EVALUATION_ROWS,
    bridge::{from_f32, from_i64, size, to_f32},
    data::EvaluationSplit,
    error::TrainError,
    head_group::GroupWeights,
    rows_at_once,
};
use crate::metrics::{Evaluation, Metrics};
use shared::{ClassCounts, ClassId};
use std::ops::Range;
use tch::{Kind, Tensor};

/// Mean of per-class accuracies of each head: what epochs are chosen by. Counted on the device; one sync at the end.
pub(super) fn balanced_accuracy(
    weights: &GroupWeights,
    split: &EvaluationSplit<'_>,
    heads: usize,
    classes: usize,
) -> Result<Vec<f64>, TrainError> {
    let device = weights.weight.device();
    let mut correct = Tensor::f_zeros([size(classes), size(heads)], (Kind::Float, device))?;
    let mut counts = vec![0_u32; classes];
    for range in pieces(split.labels.len(), heads * classes) {
        let labels = split.labels.get(range.clone()).unwrap_or_default();
        let numbers: Vec<i64> = labels.iter().map(|label| i64::from(label.0)).collect();
        let index = from_i64(&numbers, &[size(numbers.len())], device)?;
        let logits = weights.logits(&split.rows(range)?)?.f_view([-1, size(heads), size(classes)])?;
        let hits = logits.f_argmax(2, false)?.f_eq_tensor(&index.f_unsqueeze(1)?)?.f_to_kind(Kind::Float)?;
        let _ = correct.f_index_add_(0, &index, &hits)?;
        for label in labels {
            if let Some(count) = counts.get_mut(label.index()) {
                *count += 1;
            }
        }
    }
    let weight: Vec<f32> =
        counts.iter().map(|&count| if count == 0 { 0.0 } else { 1.0 / count as f32 }).collect();
    let present = counts.iter().filter(|&&count| count > 0).count().max(1);
    let sums = from_f32(&weight, &[1, size(classes)], device)?.f_matmul(&correct)?;
    Ok(to_f32(&sums)?.iter().map(|&sum| f64::from(sum) / present as f64).collect())
}

/// All metrics of each head.
pub(super) fn metrics(
    weights: &GroupWeights,
    split: &EvaluationSplit<'_>,
    heads: usize,
    class_counts: &ClassCounts,
) -> Result<Vec<Metrics>, TrainError> {
    let classes = class_counts.classes();
    let mut evaluations = vec![Evaluation::new(class_counts); heads];
    for range in pieces(split.labels.len(), heads * classes) {
        let labels: &[ClassId] = split.labels.get(range.clone()).unwrap_or_default();
        let logits = to_f32(&weights.logits(&split.rows(range)?)?)?;
        for (head, evaluation) in evaluations.iter_mut().enumerate() {
            evaluation.update_strided(&logits, labels, head * classes, heads * classes)?;
        }
    }
    for (head, evaluation) in evaluations.iter_mut().enumerate() {
        evaluation.set_weight_norms(&weights.head(head, classes)?.norms())?;
    }
    Ok(evaluations.iter().map(Evaluation::finish).collect())
}

/// Ranges of rows whose logits fit into memory.
fn pieces(rows: usize, columns: usize) -> impl Iterator<Item = Range<usize>> {
    let step = EVALUATION_ROWS.min(rows_at_once(columns));
    (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
}
