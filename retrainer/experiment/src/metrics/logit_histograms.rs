//! How logits are distributed: histograms of a head's, over the classes of each group.

use super::{
    accumulator::{Accumulator, Report, Sample},
    distributions::GroupHistograms,
    groups::Groups,
    histogram::StreamingHistogram,
    metric::Metric,
};
use cache::Shot;

/// Streaming histograms of the logits of one head.
#[derive(Clone, Debug)]
pub(super) struct LogitHistograms {
    positive: [StreamingHistogram; 3],
    negative: [StreamingHistogram; 3],
    /// The group of every class.
    groups: Groups,
    stride: usize,
    samples: u64,
}

impl Accumulator for LogitHistograms {
    const METRICS: &'static [Metric] = &[];

    fn new(groups: &Groups) -> Self {
        let stride = (groups.shots().len() / 6).clamp(1, 16);
        let groups = groups.clone();
        Self { positive: Default::default(), negative: Default::default(), groups, stride, samples: 0 }
    }

    #[inline]
    fn add(&mut self, &Sample { row, label, .. }: &Sample<'_>) {
        // Weyl's sequence: all starts equally often, in step with no order of the labels.
        let start = self.samples.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.samples += 1;
        let start = usize::try_from(start).unwrap_or_default() % self.stride;
        let mut class = start;
        while let Some((&logit, &shot)) = row.get(class).zip(self.groups.shots().get(class)) {
            if class != label {
                add(&mut self.negative, shot, logit);
            }
            class += self.stride;
        }
        if let Some((&logit, &shot)) = row.get(label).zip(self.groups.shots().get(label)) {
            add(&mut self.positive, shot, logit);
        }
    }

    fn report(&self, _: &Groups, report: &mut Report) {
        let groups = |[many, medium, few]: &[StreamingHistogram; 3]| GroupHistograms {
            many: many.finish(),
            medium: medium.finish(),
            few: few.finish(),
        };
        if self.samples > 0 {
            let distributions = report.per_class.distributions.get_or_insert_default();
            distributions.positive = groups(&self.positive);
            distributions.negative = groups(&self.negative);
        }
    }
}

fn add(groups: &mut [StreamingHistogram; 3], shot: Shot, logit: f32) {
    // In the order of `Shot::ALL`; without a branch that no processor foresees.
    if let Some(group) = groups.get_mut(shot as usize) {
        group.add(logit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Distributions, Histogram};
    use cache::ClassCounts;

    fn distributions(histograms: &LogitHistograms, groups: &Groups) -> Distributions {
        let mut metrics = Report::default();
        histograms.report(groups, &mut metrics);
        metrics.per_class.distributions.unwrap()
    }

    #[test]
    fn few_classes_are_counted_in_full() {
        let groups = Groups::new(&ClassCounts::new(vec![200, 50, 5]).unwrap());
        let mut histograms = LogitHistograms::new(&groups);
        for (row, label) in [([2.0, 0.0, 1.0], 0), ([3.0, 1.0, 0.0], 0), ([0.0, 4.0, 1.0], 1)] {
            histograms.add(&Sample { row: &row, label, prediction: None });
        }
        let distributions = distributions(&histograms, &groups);
        let totals = |groups: &GroupHistograms| {
            [&groups.many, &groups.medium, &groups.few]
                .map(|group| group.as_ref().map_or(0, Histogram::total))
        };
        assert_eq!(totals(&distributions.positive), [2, 1, 0]);
        assert_eq!(totals(&distributions.negative), [1, 2, 3]);
        assert_eq!(distributions.positive.few, None);
        let many = distributions.positive.many.unwrap();
        assert_eq!((many.low, many.counts.first(), many.counts.last()), (2.0, Some(&1), Some(&1)));
    }

    #[test]
    fn a_part_of_many_columns_has_their_shape() {
        // Column k has the constant logit k: every column must be met equally often.
        let classes = 96;
        let groups = Groups::new(&ClassCounts::new(vec![200; classes]).unwrap());
        let row: Vec<f32> = (0..96_u8).map(f32::from).collect();
        let mut histograms = LogitHistograms::new(&groups);
        for sample in 0..9600 {
            histograms.add(&Sample { row: &row, label: sample % classes, prediction: None });
        }
        let negative = distributions(&histograms, &groups).negative.many.unwrap();
        assert_eq!((negative.width, negative.counts.len()), (2.0, 48));
        // 9,500 negatives of a column, one in sixteen of them, two columns to a bin.
        let expected = 2.0 * 9500.0 / 16.0;
        for count in negative.counts {
            assert!((count as f64 / expected - 1.0).abs() < 0.02, "{count} is not {expected}");
        }
    }
}
