//! One pass over the logits of one head: every metric of the list.

use super::{
    accuracy::Accuracy,
    calibration::Calibration,
    distributions::{Distributions, LogitHistograms},
    groups::Groups,
    hits::{Hits, Outcomes},
    logits_magnitude::LogitsMagnitude,
    per_class::PerClass,
    softmax::{largest, sum_of_exponentials},
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
/// # use experiment::metrics::Evaluation;
/// # use cache::{ClassCounts, ClassId};
/// let class_counts = ClassCounts::new(vec![200, 10])?;
/// let mut evaluation = Evaluation::new(&class_counts);
/// evaluation.update(&[2.0, 0.5, 0.1, 0.2], &[ClassId(0), ClassId(1)])?;
/// assert_eq!(evaluation.finish().values.get("top1.few"), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluation {
    groups: Groups,
    accuracy: Accuracy,
    outcomes: Outcomes,
    calibration: Calibration,
    magnitude: LogitsMagnitude,
    histograms: LogitHistograms,
    weight_norms: Vec<Option<f64>>,
    classes: usize,
    samples: u64,
    non_finite: u64,
}

/// What one head does on one split.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// One number per entry of [`super::METRICS`].
    pub values: MetricValues,
    /// The per-class numbers behind them.
    pub per_class: PerClass,
    /// Samples seen.
    pub samples: u64,
    /// Samples with a logit that is not finite: counted as wrong; with any of them, only the accuracies are reported.
    pub non_finite: u64,
}

impl Evaluation {
    /// Nothing seen yet; `class_counts` are those of the training split and decide many, medium and few.
    pub fn new(class_counts: &ClassCounts) -> Self {
        let classes = class_counts.classes();
        Self {
            groups: Groups::new(class_counts),
            accuracy: Accuracy::new(class_counts),
            outcomes: Outcomes::default(),
            calibration: Calibration::default(),
            magnitude: LogitsMagnitude::new(classes),
            histograms: LogitHistograms::new(classes),
            weight_norms: Vec::new(),
            classes,
            samples: 0,
            non_finite: 0,
        }
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
            self.magnitude.add_columns(rows, &columns, stride);
        }
        Ok(())
    }

    #[inline]
    fn add(&mut self, row: &[f32], label: usize) {
        self.samples += 1;
        let largest = largest(row);
        let predicted = largest.map(|(class, _)| class);
        self.accuracy.add(label, predicted);
        self.outcomes.push(predicted == Some(label));
        let Some(((_, max), &own)) = largest.zip(row.get(label)) else {
            self.non_finite += 1;
            return;
        };
        // Σ exp(z − max) ≥ 1, so that the largest probability is its inverse.
        let sum = sum_of_exponentials(row, max);
        self.calibration.add(sum.ln() + f64::from(max) - f64::from(own), 1.0 / sum, predicted == Some(label));
        self.magnitude.add_positive(row, label);
        self.histograms.add(&self.groups, row, label);
    }

    /// Euclidean norms of the classifier rows `[C]`, which the logits do not tell.
    ///
    /// # Errors
    /// [`EvaluationError::WeightNorms`] when there is not one per class.
    pub fn set_weight_norms(&mut self, norms: &[f64]) -> Result<(), EvaluationError> {
        if norms.len() != self.classes {
            return Err(EvaluationError::WeightNorms { got: norms.len(), classes: self.classes });
        }
        self.weight_norms = norms.iter().map(|&norm| Some(norm).filter(|norm| norm.is_finite())).collect();
        Ok(())
    }

    /// Which samples were right, class by class; `None` where `labels` are not those of all samples so far, in their order.
    pub fn hits(&self, labels: &[ClassId]) -> Option<Hits> {
        self.outcomes.by_class(labels, self.classes)
    }

    /// The metrics of all samples so far.
    pub fn finish(&self) -> Metrics {
        let mut values = MetricValues::EMPTY;
        let mut per_class =
            PerClass { accuracy: PerClass::column(&self.accuracy.per_class()), ..PerClass::default() };
        self.accuracy.report(&mut values);
        if self.non_finite == 0 {
            self.calibration.report(&mut values);
            self.magnitude.report(&self.groups, &mut values, &mut per_class);
            let reliability = self.calibration.reliability();
            per_class.distributions =
                reliability.is_some().then(|| Distributions { reliability, ..self.histograms.finish() });
        }
        values.set_groups("weight_norm", self.groups.means(&self.weight_norms));
        per_class.weight_norm = PerClass::column(&self.weight_norms);
        Metrics { values, per_class, samples: self.samples, non_finite: self.non_finite }
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
    use proptest::prelude::*;

    fn labels(labels: &[u32]) -> Vec<ClassId> {
        labels.iter().copied().map(ClassId).collect()
    }

    fn evaluate(counts: &[u64], logits: &[f32], labels: &[ClassId]) -> Metrics {
        let mut evaluation = Evaluation::new(&ClassCounts::new(counts.to_vec()).unwrap());
        evaluation.update(logits, labels).unwrap();
        evaluation.finish()
    }

    fn close(got: Option<f64>, expected: f64, tolerance: f64) {
        let got = got.unwrap();
        assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
    }

    const LOGITS: [f32; 15] = [2., 0., 1., 3., 1., 0., 0., 4., 1., 1., 2., 0., 0., 1., 5.];

    #[test]
    fn magnitude_and_deviation_are_those_of_the_hand_computed_case() {
        // Column 0: positives 2, 3, negatives 0, 1, 0 -> M = 2.5 − 1/3; population deviations .5 and sqrt(2)/3.
        let metrics = evaluate(&[200, 50, 5], &LOGITS, &labels(&[0, 0, 1, 1, 2]));
        let magnitude = [13. / 6., 7. / 3., 4.5];
        let (pos, neg) = ([0.5, 1., 0.], [2_f64.sqrt() / 3., 2_f64.sqrt() / 3., 0.5]);
        let shots = ["many", "medium", "few"];
        for (k, shot) in shots.into_iter().enumerate() {
            let get = |family: &str| metrics.values.get(&format!("{family}.{shot}"));
            close(get("logits_magnitude"), magnitude[k], 1e-14);
            close(get("regularized_std_pos"), pos[k] / magnitude[k], 1e-14);
            close(get("regularized_std_neg"), neg[k] / magnitude[k], 1e-14);
            close(metrics.per_class.logits_magnitude[k].map(f64::from), magnitude[k], 1e-6);
        }
        close(metrics.values.get("logits_magnitude.all"), 3.0, 1e-14);
        // Spread: sqrt(mean of (−5/6)², (−2/3)², (3/2)²) / 3.
        close(metrics.values.get("logits_magnitude.spread"), (122.0_f64 / 36. / 3.).sqrt() / 3., 1e-14);
        // R_all of column 0: deviation of 2, 3, 0, 1, 0 about 1.2.
        close(metrics.values.get("regularized_std_all.many"), 1.36_f64.sqrt() / magnitude[0], 1e-14);
    }

    #[test]
    fn positives_have_their_mean_and_the_logarithm_of_their_mean_exponential() {
        // Column 0: positives 2 and 3 -> ln((e^-.5 + e^.5) / 2) = ln cosh 0.5; column 2 has one positive, 5.
        let per_class = evaluate(&[200, 50, 5], &LOGITS, &labels(&[0, 0, 1, 1, 2])).per_class;
        assert_eq!(per_class.positive_mean, [Some(2.5), Some(3.0), Some(5.0)]);
        for (got, expected) in
            per_class.log_perturbation.iter().zip([0.5_f64.cosh().ln(), 1_f64.cosh().ln(), 0.])
        {
            close(got.map(f64::from), expected, 1e-5);
        }
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "logits are f32")]
    fn the_perturbation_of_normal_logits_is_half_their_variance() {
        // σ = 0.8: ln E[e^(z − μ)] = σ²/2 = 0.32. Box–Muller over radii and angles that fill the square evenly.
        let normal = |i: u32| {
            let (p, angle) = ((f64::from(i) + 0.5) / 4001.0, f64::from(i) * 0.618_033_988_749_895);
            (-2.0 * p.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
        };
        let logits: Vec<f32> =
            (0..4001).flat_map(|i| [(50.0 + 0.8 * normal(i)) as f32, 0.0]).chain([0.0, 1.0]).collect();
        let mut y = labels(&[0; 4001]);
        y.push(ClassId(1));
        let per_class = evaluate(&[200, 50], &logits, &y).per_class;
        close(per_class.log_perturbation[0].map(f64::from), 0.32, 0.01);
        close(per_class.positive_mean[0].map(f64::from), 50.0, 0.01);
    }

    #[test]
    fn likelihood_is_the_cross_entropy_of_torch() {
        // torch.nn.functional.cross_entropy(Z.double(), torch.tensor([0, 3, 4])) -> 1.0123983316
        let logits = [2., 0.5, -1., 0., 0.3, 1.2, -0.7, 0.4, 0.9, -1.5, 0.1, 1.1, -0.2, 0.6, 0.8];
        let metrics = evaluate(&[100, 50, 20, 10, 2], &logits, &labels(&[0, 3, 4]));
        close(metrics.values.get("nll"), 1.012_398_331_6, 1e-7);
        assert_eq!(metrics.values.get("top1.few"), Some(0.0));
        assert_eq!(metrics.values.get("top1.many"), None);
    }

    #[test]
    fn a_row_that_is_not_finite_is_wrong_and_flagged() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let metrics = evaluate(&[200, 50], &[2., 1., bad, 1., 0., 3.], &labels(&[0, 0, 1]));
            assert_eq!((metrics.samples, metrics.non_finite), (3, 1));
            assert_eq!(metrics.values.get("top1.all"), Some(0.75));
            assert_eq!(metrics.values.get("nll"), None);
            assert_eq!(metrics.values.get("logits_magnitude.all"), None);
        }
    }

    #[test]
    fn classes_without_samples_and_no_samples_at_all_have_no_value() {
        let metrics = evaluate(&[200, 50], &[2., 1.], &labels(&[0]));
        assert_eq!(metrics.per_class.accuracy, [Some(1.0), None]);
        assert_eq!(metrics.values.get("top1.all"), Some(1.0));
        assert_eq!(metrics.values.get("logits_magnitude.all"), None);
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
        assert_eq!(evaluation.finish().samples, 0);
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
        assert_eq!(hits.top1(), evaluation.finish().values.get("top1.all"));
        assert_eq!(evaluation.hits(&y[..2]), None);
    }

    #[test]
    fn weight_norms_are_summarised_by_group() {
        let mut evaluation = Evaluation::new(&ClassCounts::new(vec![200, 300, 5]).unwrap());
        evaluation.set_weight_norms(&[1.0, 3.0, 0.5]).unwrap();
        let metrics = evaluation.finish();
        assert_eq!(metrics.values.get("weight_norm.many"), Some(2.0));
        assert_eq!(metrics.values.get("weight_norm.few"), Some(0.5));
    }

    /// Samples whose logits are multiples of 1/8 below 64: sums, shifts and scalings by powers of two are exact in f32.
    fn samples() -> impl Strategy<Value = (Vec<[f32; 3]>, Vec<u32>)> {
        (2_usize..40).prop_flat_map(|n| {
            let logit = (-512_i16..512).prop_map(|z| f32::from(z) / 8.0);
            (
                proptest::collection::vec(proptest::array::uniform3(logit), n),
                proptest::collection::vec(0_u32..3, n),
            )
        })
    }

    fn assert_same(left: &Metrics, right: &Metrics, prefix: &str) -> Result<(), TestCaseError> {
        for metric in crate::metrics::METRICS.iter().filter(|metric| metric.name.starts_with(prefix)) {
            match (left.values.get(metric.name), right.values.get(metric.name)) {
                (Some(l), Some(r)) => {
                    prop_assert!((l - r).abs() <= 1e-9 * (1.0 + l.abs()), "{}: {l} {r}", metric.name);
                }
                (l, r) => {
                    prop_assert_eq!(l, r);
                }
            }
        }
        Ok(())
    }

    const COUNTS: [u64; 3] = [200, 50, 5];

    proptest! {
        #[test]
        fn shifting_a_column_leaves_the_magnitude_unchanged((rows, y) in samples(), column in 0..3_usize, shift in -64_i8..64) {
            let shifted: Vec<f32> = rows.iter().flat_map(|row| {
                let mut row = *row;
                row[column] += f32::from(shift);
                row
            }).collect();
            let (before, after) = (evaluate(&COUNTS, rows.as_flattened(), &labels(&y)), evaluate(&COUNTS, &shifted, &labels(&y)));
            assert_same(&before, &after, "logits_magnitude")?;
            assert_same(&before, &after, "regularized_std")?;
        }

        #[test]
        fn scaling_all_logits_scales_the_magnitude_and_leaves_the_regularized_deviation((rows, y) in samples(), power in 0_i32..4) {
            let scale = 2_f32.powi(power);
            let scaled: Vec<f32> = rows.as_flattened().iter().map(|logit| logit * scale).collect();
            let (before, after) = (evaluate(&COUNTS, rows.as_flattened(), &labels(&y)), evaluate(&COUNTS, &scaled, &labels(&y)));
            assert_same(&before, &after, "regularized_std")?;
            let (before, after) = (before.per_class.logits_magnitude, after.per_class.logits_magnitude);
            for (before, after) in before.into_iter().zip(after) {
                prop_assert_eq!(before.map(|m| m * scale), after);
            }
        }

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
