//! Accuracy where a label among the five largest logits is right.

use super::{
    accumulator::{Accumulator, NotFinite, Report, Sample},
    class_hits::ClassHits,
    groups::Groups,
    metric::{ByGroup, Metric, by_group},
};

/// Mean of the per-class top-5 accuracies; 1 with at most five classes and finite logits.
pub const TOP5: ByGroup = by_group!("top5", Fraction, Higher);

/// Counts of samples and of labels among the five, per class.
///
/// Of equal logits the lower class is first, as in top-1; a row with a logit that is not finite is wrong.
#[derive(Clone, Debug)]
pub(super) struct Top5(ClassHits);

impl Accumulator for Top5 {
    const METRICS: &'static [Metric] = &TOP5.each();
    const NOT_FINITE: NotFinite = NotFinite::Wrong;

    fn new(groups: &Groups) -> Self {
        Self(ClassHits::new(groups.shots().len()))
    }

    #[inline]
    fn add(&mut self, sample: &Sample<'_>) {
        let right = sample.prediction.is_some() && before(sample.row, sample.label).is_some_and(|n| n < 5);
        self.0.add(sample.label, right);
    }

    fn report(&self, groups: &Groups, report: &mut Report) {
        report.values.set_each(TOP5, self.0.means(groups));
    }
}

/// Classes before the label: of larger logits, and lower ones of equal logits; `None` for a label that is no class.
#[inline]
fn before(row: &[f32], label: usize) -> Option<u32> {
    let (lower, [own, higher @ ..]) = row.split_at_checked(label)? else { return None };
    let lower: u32 = lower.iter().map(|logit| u32::from(logit >= own)).sum();
    let higher: u32 = higher.iter().map(|logit| u32::from(logit > own)).sum();
    Some(lower + higher)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{
        MetricValues, TOP1,
        testing::{evaluate, labels},
    };

    #[test]
    fn ties_go_to_the_lower_classes_and_at_most_five_classes_are_always_right() {
        let row = [1.0, 3.0, 2.0, 2.0, 2.0, 2.0, 0.0];
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|label| before(&row, label)), [5, 0, 1, 2, 3, 4, 6].map(Some));
        assert_eq!(before(&row, 7), None);
        // Classes many, medium, few: one sample each of the classes 1, 5 and 0, of which the last is the sixth.
        let counts = [5, 200, 1, 1, 1, 50, 1];
        let metrics = evaluate(&counts, &[row, row, row].concat(), &labels(&[1, 5, 0]));
        assert_eq!(
            TOP5.each().map(|metric| metrics.values.get(metric)),
            [2.0 / 3.0, 1.0, 1.0, 0.0].map(Some)
        );
        let five = evaluate(&[200, 50, 30, 10, 5], &[0.0; 10], &labels(&[4, 3]));
        assert_eq!((five.values.get(TOP5.all), five.values.get(TOP1.all)), (Some(1.0), Some(0.0)));
        let bad = evaluate(&[200, 50], &[1.0, f32::NAN], &labels(&[0]));
        assert_eq!(bad.values.get(TOP5.all), Some(0.0));
    }

    #[test]
    fn the_five_are_those_of_torch() {
        // torch.topk(Z, 5).indices of libtorch 2.11, each row sorted; no logits are equal.
        const Z: [[f32; 12]; 8] = [
            [-0.39, 0.67, 2.42, -2.71, 1.76, -0.45, -2.47, -1.40, -1.85, 0.80, 1.80, -0.48],
            [0.89, 2.56, -1.96, 2.94, -2.87, -0.79, 1.17, -0.14, -1.14, 0.98, -1.37, -2.27],
            [-1.58, 1.55, -1.71, -1.65, -2.99, -2.95, -0.86, -0.80, -1.31, -1.30, -0.04, 0.21],
            [-0.97, 2.52, -0.91, 2.79, -0.99, 0.92, 0.05, -2.78, 0.69, 1.24, 2.67, -1.51],
            [-0.30, -2.34, 0.39, 0.08, -2.97, 0.46, -2.33, 0.17, 0.63, 0.13, 1.92, 0.23],
            [-1.11, 2.41, 1.83, -1.20, -2.42, -0.38, -2.77, 0.66, 1.13, -2.82, 1.28, 0.74],
            [0.85, -2.91, 1.63, -2.53, -1.15, 2.59, -1.79, -0.49, 1.73, 0.52, 2.43, -0.44],
            [2.19, -1.90, 0.76, 0.02, -2.63, 2.82, 1.84, 2.00, -2.54, -1.94, -1.26, 2.34],
        ];
        const TOPK: [[usize; 5]; 8] = [
            [1, 2, 4, 9, 10],
            [0, 1, 3, 6, 9],
            [1, 6, 7, 10, 11],
            [1, 3, 5, 9, 10],
            [2, 5, 8, 10, 11],
            [1, 2, 8, 10, 11],
            [0, 2, 5, 8, 10],
            [0, 5, 6, 7, 11],
        ];
        for (row, topk) in Z.iter().zip(TOPK) {
            let ours: Vec<usize> =
                (0..12).filter(|&label| before(row, label).is_some_and(|n| n < 5)).collect();
            assert_eq!(ours, topk);
        }
    }

    #[test]
    fn records_from_before_it_have_none() {
        let values: MetricValues = serde_json::from_str(r#"{"top1.all": 0.5, "nll": 1.25}"#).unwrap();
        assert_eq!(TOP5.each().map(|metric| values.get(metric)), [None; 4]);
    }
}
