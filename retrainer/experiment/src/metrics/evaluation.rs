//! One pass over the logits of one head: every metric of the list.

use super::{
    accumulator::{Report, Sample},
    confusions::Confusions,
    groups::Groups,
    hits::{Hits, Outcomes},
    list::Accumulators,
    per_class::PerClass,
    values::MetricValues,
};
use cache::{ClassCounts, ClassId};
use std::ops::Range;
use thiserror::Error;

/// Logits and labels that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvaluationError {
    /// The logits are not `[n, stride]` with the head's columns inside.
    #[error(
        "logits have {got} numbers, expected {labels} rows of {stride} with {classes} classes from column {offset}"
    )]
    LogitsShape {
        /// Numbers given.
        got: usize,
        /// Labels given, one per row.
        labels: usize,
        /// Numbers per row.
        stride: usize,
        /// First column of the head.
        offset: usize,
        /// Columns of the head.
        classes: usize,
    },
    /// A label is not a class.
    #[error("label {label} is out of range for {classes} classes")]
    LabelOutOfRange {
        /// The label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// Weight norms are not one per class.
    #[error("{got} weight norms for {classes} classes")]
    WeightNorms {
        /// Norms given.
        got: usize,
        /// Number of classes.
        classes: usize,
    },
}

/// Accumulates every metric of [`super::METRICS`] over chunks of logits, in f64 and in one pass.
///
/// ```no_run,standalone_crate
/// # use experiment::metrics::{Evaluation, TOP1};
/// # use cache::{ClassCounts, ClassId};
/// let class_counts = ClassCounts::new(vec![200, 10])?;
/// let mut evaluation = Evaluation::new(&class_counts);
/// evaluation.update(&[2.0, 0.5, 0.1, 0.2], &[ClassId(0), ClassId(1)])?;
/// assert_eq!(evaluation.finish().values.get(TOP1.few), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluation {
    groups: Groups,
    accumulators: Accumulators,
    outcomes: Outcomes,
    classes: usize,
    /// Whether all logits were.
    finite: bool,
}

/// What one head does on one split; of logits that are not all finite only the accuracies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// One number per entry of [`super::METRICS`].
    pub values: MetricValues,
    /// The per-class numbers behind them.
    pub per_class: PerClass,
}

impl Evaluation {
    /// Nothing seen yet; `class_counts` are those of the training split and decide many, medium and few.
    pub fn new(class_counts: &ClassCounts) -> Self {
        let groups = Groups::new(class_counts);
        let accumulators = Accumulators::new(&groups);
        let classes = class_counts.classes();
        Self { groups, accumulators, outcomes: Outcomes::default(), classes, finite: true }
    }

    /// Adds samples.
    ///
    /// # Shapes
    /// `logits` `[n, C]` row-major, `labels` `[n]`; chunks may have any n.
    ///
    /// # Errors
    /// [`EvaluationError`] when the sizes disagree or a label is not below C; nothing is added then.
    pub fn update(&mut self, logits: &[f32], labels: &[ClassId]) -> Result<(), EvaluationError> {
        self.update_strided(logits, labels, 0, self.classes)
    }

    /// As [`Evaluation::update`] for one head of a group: columns `offset .. offset + C` of rows of `stride` numbers.
    ///
    /// # Errors
    /// As [`Evaluation::update`].
    pub fn update_strided(
        &mut self,
        logits: &[f32],
        labels: &[ClassId],
        offset: usize,
        stride: usize,
    ) -> Result<(), EvaluationError> {
        let columns = columns(logits, labels, self.classes, offset, stride)?;
        // A few rows at a time: the second pass finds them in the nearest cache.
        for (rows, labels) in logits.chunks(ROWS.saturating_mul(stride)).zip(labels.chunks(ROWS)) {
            for (row, label) in rows.chunks_exact(stride).zip(labels) {
                self.add(row.get(columns.clone()).unwrap_or_default(), label.index());
            }
            self.accumulators.add_rows(rows, &columns, stride);
        }
        Ok(())
    }

    #[inline]
    fn add(&mut self, row: &[f32], label: usize) {
        let sample = Sample::new(row, label);
        self.finite &= sample.prediction.is_some();
        self.outcomes.push(sample.right());
        self.accumulators.add(&sample);
    }

    /// Euclidean norms of the classifier rows `[C]`, which the logits do not tell.
    ///
    /// # Errors
    /// [`EvaluationError::WeightNorms`] when there is not one per class.
    pub fn set_weight_norms(&mut self, norms: &[f64]) -> Result<(), EvaluationError> {
        if norms.len() != self.classes {
            return Err(EvaluationError::WeightNorms { got: norms.len(), classes: self.classes });
        }
        self.accumulators.weight_norm.set(norms);
        Ok(())
    }

    /// Which samples were right, class by class; `None` where `labels` are not those of all samples so far, in their order.
    pub fn hits(&self, labels: &[ClassId]) -> Option<Hits> {
        self.outcomes.by_class(labels, self.classes)
    }

    /// Which classes the samples so far are taken for; `None` where a logit was not finite.
    pub fn confusions(&self) -> Option<Confusions> {
        self.finite.then(|| self.accumulators.confused.confusions())
    }

    /// The metrics of all samples so far.
    pub fn finish(&self) -> Metrics {
        let mut report = Report::default();
        self.accumulators.report(&self.groups, self.finite, &mut report);
        let mut values = MetricValues::EMPTY;
        report.values.0.into_iter().for_each(|(metric, value)| values.set(metric, value));
        Metrics { values, per_class: report.per_class }
    }
}

/// Rows that are looked at together.
const ROWS: usize = 32;

/// The columns of one head, where logits and labels fit together.
fn columns(
    logits: &[f32],
    labels: &[ClassId],
    classes: usize,
    offset: usize,
    stride: usize,
) -> Result<Range<usize>, EvaluationError> {
    let end = offset.checked_add(classes).filter(|&end| end <= stride && stride > 0);
    let fits = labels.len().checked_mul(stride) == Some(logits.len());
    let Some(end) = end.filter(|_| fits) else {
        return Err(EvaluationError::LogitsShape {
            got: logits.len(),
            labels: labels.len(),
            stride,
            offset,
            classes,
        });
    };
    match labels.iter().find(|label| label.index() >= classes) {
        Some(label) => Err(EvaluationError::LabelOutOfRange { label: label.0, classes }),
        None => Ok(offset..end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{
        LOGITS_MAGNITUDE, NLL, TOP1,
        testing::{COUNTS, assert_same, evaluate, labels, samples},
    };
    use proptest::prelude::*;

    #[test]
    fn a_row_that_is_not_finite_is_wrong_and_leaves_accuracies_alone() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let metrics = evaluate(&[200, 50], &[2., 1., bad, 1., 0., 3.], &labels(&[0, 0, 1]));
            assert_eq!(metrics.values.get(TOP1.all), Some(0.75));
            assert_eq!(metrics.values.get(NLL), None);
            assert_eq!(metrics.values.get(LOGITS_MAGNITUDE.all), None);
        }
    }

    #[test]
    fn classes_without_samples_and_no_samples_at_all_have_no_value() {
        let metrics = evaluate(&[200, 50], &[2., 1.], &labels(&[0]));
        assert_eq!(metrics.per_class.accuracy, [Some(1.0), None]);
        assert_eq!(metrics.values.get(TOP1.all), Some(1.0));
        assert_eq!(metrics.values.get(LOGITS_MAGNITUDE.all), None);
        assert_eq!(evaluate(&[200, 50], &[], &[]).values.iter().count(), 0);
    }

    #[test]
    fn rejects_shapes_and_labels_that_do_not_fit() {
        let mut evaluation = Evaluation::new(&ClassCounts::new(vec![2, 3]).unwrap());
        let shape = evaluation.update(&[0.0; 3], &labels(&[0, 1])).unwrap_err();
        assert_eq!(
            shape.to_string(),
            "logits have 3 numbers, expected 2 rows of 2 with 2 classes from column 0"
        );
        let label = evaluation.update(&[0.0; 4], &labels(&[0, 2])).unwrap_err();
        assert_eq!(label.to_string(), "label 2 is out of range for 2 classes");
        assert!(evaluation.update_strided(&[0.0; 4], &labels(&[0]), 3, 4).is_err());
        assert!(evaluation.update_strided(&[], &[], usize::MAX, usize::MAX).is_err());
        evaluation.update_strided(&[], &[], 0, usize::MAX).unwrap();
        assert!(evaluation.set_weight_norms(&[1.0]).is_err());
        assert_eq!(evaluation.finish().values, MetricValues::EMPTY);
    }

    #[test]
    fn hits_are_those_of_the_accuracies_and_a_row_that_is_not_finite_is_wrong() {
        let mut evaluation = Evaluation::new(&ClassCounts::new(vec![200, 50]).unwrap());
        let y = labels(&[1, 0, 1]);
        evaluation.update(&[2., 1., 3., 1., f32::NAN, 0.], &y).unwrap();
        let hits = evaluation.hits(&y).unwrap();
        assert_eq!(
            (hits.samples(), hits.right().collect::<Vec<_>>()),
            (&[1, 2][..], vec![true, false, false])
        );
        assert_eq!(hits.top1(), evaluation.finish().values.get(TOP1.all));
        assert_eq!(evaluation.hits(&y[..2]), None);
    }

    proptest! {
        #[test]
        fn the_order_of_samples_and_the_size_of_chunks_do_not_matter((rows, y) in samples(), chunk in 1_usize..7) {
            let whole = evaluate(&COUNTS, rows.as_flattened(), &labels(&y));
            let mut evaluation = Evaluation::new(&ClassCounts::new(COUNTS.to_vec()).unwrap());
            let (mut rows, mut y) = (rows, labels(&y));
            rows.reverse();
            y.reverse();
            for (rows, y) in rows.chunks(chunk).zip(y.chunks(chunk)) {
                evaluation.update(rows.as_flattened(), y).unwrap();
            }
            assert_same(&whole, &evaluation.finish(), "")?;
        }

        #[test]
        fn a_head_inside_a_group_is_measured_as_alone((rows, y) in samples()) {
            let wide: Vec<f32> = rows.iter().flat_map(|row| [9.0, row[0], row[1], row[2], f32::NAN]).collect();
            let mut evaluation = Evaluation::new(&ClassCounts::new(COUNTS.to_vec()).unwrap());
            evaluation.update_strided(&wide, &labels(&y), 1, 5).unwrap();
            prop_assert_eq!(evaluation.finish(), evaluate(&COUNTS, rows.as_flattened(), &labels(&y)));
        }
    }
}
