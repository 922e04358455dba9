//! Top-1 accuracy per class, balanced error and macro-F1.

use super::{
    evaluation::{EvaluationError, rows},
    groups::{Groups, mean},
    values::MetricValues,
};
use shared::{ClassCounts, ClassId};

/// Counts of hits per class: all that choosing an epoch needs, without the cost of the other metrics.
///
/// Ties go to the lower class; a row with a logit that is not finite is wrong.
#[derive(Clone, Debug)]
pub struct Accuracy {
    groups: Groups,
    samples: Vec<u64>,
    hits: Vec<u64>,
    predictions: Vec<u64>,
}

impl Accuracy {
    /// Nothing seen yet; `class_counts` are those of the training split and decide many, medium and few.
    pub fn new(class_counts: &ClassCounts) -> Self {
        let zeros = vec![0; class_counts.classes()];
        let groups = Groups::new(class_counts);
        Self { groups, samples: zeros.clone(), hits: zeros.clone(), predictions: zeros }
    }

    /// Adds samples.
    ///
    /// # Shapes
    /// `logits` `[n, C]` row-major, `labels` `[n]`.
    ///
    /// # Errors
    /// [`EvaluationError`] when the sizes disagree or a label is not below C; nothing is added then.
    pub fn update(&mut self, logits: &[f32], labels: &[ClassId]) -> Result<(), EvaluationError> {
        self.update_strided(logits, labels, 0, self.samples.len())
    }

    /// As [`Accuracy::update`] for columns `offset .. offset + C` of rows of `stride` numbers.
    ///
    /// # Errors
    /// As [`Accuracy::update`].
    pub fn update_strided(
        &mut self,
        logits: &[f32],
        labels: &[ClassId],
        offset: usize,
        stride: usize,
    ) -> Result<(), EvaluationError> {
        for (row, label) in rows(logits, labels, self.samples.len(), offset, stride)? {
            self.add(label, argmax(row));
        }
        Ok(())
    }

    /// One sample; `None` is a prediction that could not be made.
    pub(super) fn add(&mut self, label: usize, predicted: Option<usize>) {
        increment(&mut self.samples, Some(label));
        increment(&mut self.predictions, predicted);
        if predicted == Some(label) {
            increment(&mut self.hits, predicted);
        }
    }

    /// Accuracy of every class; `None` for a class without sample.
    pub fn per_class(&self) -> Vec<Option<f64>> {
        let ratio = |(&hits, &samples): (&u64, &u64)| (samples > 0).then(|| hits as f64 / samples as f64);
        self.hits.iter().zip(&self.samples).map(ratio).collect()
    }

    /// Mean of the per-class accuracies (`top1.all`); `None` before the first sample.
    pub fn top1(&self) -> Option<f64> {
        mean(self.per_class().into_iter().flatten())
    }

    pub(super) fn report(&self, values: &mut MetricValues) {
        let top1 = self.groups.means(&self.per_class());
        values.set_groups("top1", top1);
        values.set("balanced_error", top1[0].map(|accuracy| 1.0 - accuracy));
        values.set("macro_f1", self.macro_f1());
    }

    /// Mean over classes with samples of 2 TP / (2 TP + FP + FN) = 2 hits / (samples + predictions).
    fn macro_f1(&self) -> Option<f64> {
        let classes = self.hits.iter().zip(&self.samples).zip(&self.predictions);
        mean(
            classes
                .filter(|((_, samples), _)| **samples > 0)
                .map(|((&hits, &samples), &predictions)| 2.0 * hits as f64 / (samples + predictions) as f64),
        )
    }
}

fn increment(counts: &mut [u64], class: Option<usize>) {
    if let Some(count) = class.and_then(|class| counts.get_mut(class)) {
        *count += 1;
    }
}

/// The first of the largest logits; `None` where a logit is not finite.
pub(super) fn argmax(row: &[f32]) -> Option<usize> {
    // Two passes without branches instead of one with: both become vector instructions.
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let finite = row.iter().fold(true, |finite, logit| finite & logit.is_finite());
    if finite { row.iter().position(|&logit| logit >= max) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_accuracies_are_means_of_per_class_accuracies() {
        // Classes many, medium, few, and one without any sample.
        let counts = ClassCounts::new(vec![200, 50, 5, 30]).unwrap();
        let mut accuracy = Accuracy::new(&counts);
        for (label, predicted) in [(0, 0), (0, 1), (1, 1), (2, 0), (2, 2), (2, 2), (2, 3)] {
            accuracy.add(label, Some(predicted));
        }
        let mut values = MetricValues::EMPTY;
        accuracy.report(&mut values);
        assert_eq!(values.get("top1.many"), Some(0.5));
        assert_eq!(values.get("top1.medium"), Some(1.0));
        assert_eq!(values.get("top1.few"), Some(0.5));
        assert_eq!(values.get("top1.all"), Some(2.0 / 3.0));
        assert_eq!(accuracy.top1(), values.get("top1.all"));
        assert_eq!(accuracy.per_class().last(), Some(&None));
        // F1 per class: 2·1/(2+2), 2·1/(1+2), 2·2/(4+2).
        let f1 = (0.5 + 2.0 / 3.0 + 2.0 / 3.0) / 3.0;
        assert!((values.get("macro_f1").unwrap() - f1).abs() < 1e-15);
    }

    #[test]
    fn ties_go_to_the_lower_class_and_a_row_that_is_not_finite_is_wrong() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(argmax(&[0.0, -0.0]), Some(0));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(argmax(&[1.0, bad]), None);
        }
    }
}
