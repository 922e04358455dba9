//! Top-1 accuracy per class, balanced error and macro-F1.

use super::{
    class_sizes::ClassSizes,
    groups::{Groups, mean},
    values::MetricValues,
};
use cache::{ClassCounts, Shot};

/// Counts of samples, hits and predictions per class.
///
/// Ties go to the lower class; a row with a logit that is not finite is wrong.
#[derive(Clone, Debug)]
pub(super) struct Accuracy {
    groups: Groups,
    samples: Vec<u64>,
    hits: Vec<u64>,
    predictions: Vec<u64>,
}

impl Accuracy {
    /// Nothing seen yet; `class_counts` are those of the training split and decide many, medium and few.
    pub(super) fn new(class_counts: &ClassCounts) -> Self {
        let zeros = vec![0; class_counts.classes()];
        let groups = Groups::new(class_counts);
        Self { groups, samples: zeros.clone(), hits: zeros.clone(), predictions: zeros }
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
    pub(super) fn per_class(&self) -> Vec<Option<f64>> {
        let ratio = |(&hits, &samples): (&u64, &u64)| (samples > 0).then(|| hits as f64 / samples as f64);
        self.hits.iter().zip(&self.samples).map(ratio).collect()
    }

    /// Mean of the per-class accuracies of some groups of classes; `None` without a sample.
    fn top1(&self, member: impl Fn(Shot) -> bool) -> Option<f64> {
        let samples = self.samples.iter().zip(self.groups.shots());
        let samples: Vec<u64> = samples.map(|(&n, &shot)| if member(shot) { n } else { 0 }).collect();
        ClassSizes::new(&samples).mean_of_classes(&self.hits)
    }

    pub(super) fn report(&self, values: &mut MetricValues) {
        let all = self.top1(|_| true);
        let [many, medium, few] = Shot::ALL.map(|shot| self.top1(|other| other == shot));
        values.set_groups("top1", [all, many, medium, few]);
        values.set("balanced_error", all.map(|accuracy| 1.0 - accuracy));
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
        assert_eq!(accuracy.per_class().last(), Some(&None));
        // F1 per class: 2·1/(2+2), 2·1/(1+2), 2·2/(4+2).
        let f1 = (0.5 + 2.0 / 3.0 + 2.0 / 3.0) / 3.0;
        assert!((values.get("macro_f1").unwrap() - f1).abs() < 1e-15);
    }
}
