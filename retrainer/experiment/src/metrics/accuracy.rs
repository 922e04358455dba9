//! Top-1 accuracy per class, balanced error and macro-F1.

use super::{
    accumulator::{Accumulator, NotFinite, Report, Sample},
    class_hits::ClassHits,
    class_sizes::ClassSizes,
    groups::{Groups, mean},
    metric::{ByGroup, Metric, by_group, metric},
    per_class::PerClass,
};
use cache::{ClassCounts, Shot};

/// Mean of the per-class accuracies.
pub const TOP1: ByGroup = by_group!("top1", Fraction, Higher);
/// 1 − `top1.all`.
pub(crate) const BALANCED_ERROR: Metric = metric!("balanced_error", Fraction, Lower);
/// Mean over classes of 2 TP / (2 TP + FP + FN).
pub const MACRO_F1: Metric = metric!("macro_f1", Fraction, Higher);

/// Counts of samples, hits and predictions per class.
///
/// Ties go to the lower class; a row with a logit that is not finite is wrong.
#[derive(Clone, Debug)]
pub(super) struct Accuracy {
    classes: ClassHits,
    predictions: Vec<u64>,
}

/// Samples, hits and predictions of each class, `[C]` each.
#[derive(Clone, Copy, Debug)]
pub struct ClassTallies<'a> {
    /// Samples of the class.
    pub samples: &'a [u64],
    /// Those that are predicted as the class.
    pub hits: &'a [u64],
    /// Samples of any class that are predicted as the class.
    pub predictions: &'a [u64],
}

impl ClassTallies<'_> {
    /// Mean over classes with samples of 2 TP / (2 TP + FP + FN) = 2 hits / (samples + predictions).
    pub fn macro_f1(&self) -> Option<f64> {
        let classes = self.hits.iter().zip(self.samples).zip(self.predictions);
        mean(
            classes
                .filter(|((_, samples), _)| **samples > 0)
                .map(|((&hits, &samples), &predictions)| 2.0 * hits as f64 / (samples + predictions) as f64),
        )
    }

    /// Mean of the accuracies of few-shot classes; `None` without a sample of one.
    pub fn accuracy_of_few(&self, class_counts: &ClassCounts) -> Option<f64> {
        let few = |(&samples, &count)| if Shot::of(count) == Shot::Few { samples } else { 0 };
        let samples: Vec<u64> = self.samples.iter().zip(class_counts.counts()).map(few).collect();
        ClassSizes::new(&samples).mean_of_classes(self.hits)
    }
}

impl Accumulator for Accuracy {
    const METRICS: &'static [Metric] =
        &[TOP1.all, TOP1.many, TOP1.medium, TOP1.few, BALANCED_ERROR, MACRO_F1];
    const NOT_FINITE: NotFinite = NotFinite::Wrong;

    fn new(groups: &Groups) -> Self {
        let classes = groups.shots().len();
        Self { classes: ClassHits::new(classes), predictions: vec![0; classes] }
    }

    #[inline]
    fn add(&mut self, sample: &Sample<'_>) {
        self.classes.add(sample.label, sample.right());
        let predicted = sample.prediction.and_then(|prediction| self.predictions.get_mut(prediction.class));
        if let Some(count) = predicted {
            *count += 1;
        }
    }

    fn report(&self, groups: &Groups, report: &mut Report) {
        let top1 = self.classes.means(groups);
        let [all, ..] = top1;
        report.values.set_each(TOP1, top1);
        report.values.set(BALANCED_ERROR, all.map(|accuracy| 1.0 - accuracy));
        let (samples, hits, predictions) = (self.classes.samples(), self.classes.hits(), &*self.predictions);
        report.values.set(MACRO_F1, ClassTallies { samples, hits, predictions }.macro_f1());
        report.per_class.accuracy = PerClass::column(&self.classes.rates());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Evaluation, testing::labels};

    #[test]
    fn group_accuracies_are_means_of_per_class_accuracies() {
        // Classes many, medium, few, and one without any sample.
        let mut evaluation = Evaluation::new(&ClassCounts::new(vec![200, 50, 5, 30]).unwrap());
        for (label, predicted) in [(0, 0), (0, 1), (1, 1), (2, 0), (2, 2), (2, 2), (2, 3)] {
            let mut row = [0.0; 4];
            row[predicted] = 1.0;
            evaluation.update(&row, &labels(&[label])).unwrap();
        }
        let metrics = evaluation.finish();
        assert_eq!(metrics.values.get(TOP1.many), Some(0.5));
        assert_eq!(metrics.values.get(TOP1.medium), Some(1.0));
        assert_eq!(metrics.values.get(TOP1.few), Some(0.5));
        assert_eq!(metrics.values.get(TOP1.all), Some(2.0 / 3.0));
        assert_eq!(metrics.per_class.accuracy.last(), Some(&None));
        // F1 per class: 2·1/(2+2), 2·1/(1+2), 2·2/(4+2).
        let f1 = (0.5 + 2.0 / 3.0 + 2.0 / 3.0) / 3.0;
        assert!((metrics.values.get(MACRO_F1).unwrap() - f1).abs() < 1e-15);
    }
}
