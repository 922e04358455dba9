//! What a metric is: what it measures, what it adds up of each sample, and what comes out.

use super::{
    groups::Groups,
    metric::{ByGroup, Metric},
    per_class::PerClass,
    softmax,
};
use std::ops::Range;

/// A metric, or a few that share their sums: one file of this module and one line of the list.
pub(super) trait Accumulator {
    /// What it reports, in the order of the reports.
    const METRICS: &'static [Metric];
    /// What a sample with a logit that is not finite does.
    const NOT_FINITE: NotFinite = NotFinite::NoValue;

    /// Nothing seen yet.
    fn new(groups: &Groups) -> Self;

    /// Adds one sample.
    fn add(&mut self, sample: &Sample<'_>);

    /// Adds the same samples again, several rows of `stride` numbers of which `columns` are the head's, for sums that are
    /// faster over columns.
    #[inline]
    fn add_rows(&mut self, _rows: &[f32], _columns: &Range<usize>, _stride: usize) {}

    /// Sets the values of its metrics, and the per-class numbers behind them.
    fn report(&self, groups: &Groups, report: &mut Report);
}

/// What the metrics say: their values, and the per-class numbers behind them.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) values: Reported,
    pub(super) per_class: PerClass,
}

/// Values as they are reported; the list gives them their places.
#[derive(Debug, Default)]
pub(super) struct Reported(pub(super) Vec<(Metric, Option<f64>)>);

impl Reported {
    /// Reports the value of a metric.
    pub(super) fn set(&mut self, metric: Metric, value: Option<f64>) {
        self.0.push((metric, value));
    }

    /// Reports those of all, many, medium and few classes.
    pub(super) fn set_each(&mut self, metrics: ByGroup, means: [Option<f64>; 4]) {
        self.0.extend(metrics.each().into_iter().zip(means));
    }
}

/// What becomes of a metric where a logit is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFinite {
    /// The sample is added as one that is wrong.
    Wrong,
    /// The sample is not added, and the metric has no value.
    NoValue,
}

/// One sample as the metrics see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    /// Logits `[C]`.
    pub(super) row: &'a [f32],
    /// Its class, below C.
    pub(super) label: usize,
    /// `None` where a logit is not finite.
    pub(super) prediction: Option<Prediction>,
}

/// What the softmax of a row says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prediction {
    /// The class of the largest logit, the lowest among equals.
    pub(super) class: usize,
    /// Its probability.
    pub(super) confidence: f64,
    /// −log p_y of the label.
    pub(super) nll: f64,
}

impl<'a> Sample<'a> {
    #[inline]
    pub(super) fn new(row: &'a [f32], label: usize) -> Self {
        let prediction = softmax::largest(row).zip(row.get(label)).map(|((class, max), &own)| {
            // Σ exp(z − max) ≥ 1, so that the largest probability is its inverse.
            let sum = softmax::sum_of_exponentials(row, max);
            Prediction { class, confidence: 1.0 / sum, nll: sum.ln() + f64::from(max) - f64::from(own) }
        });
        Self { row, label, prediction }
    }

    /// Whether the predicted class is the label.
    pub(super) fn right(&self) -> bool {
        self.prediction.is_some_and(|prediction| prediction.class == self.label)
    }
}
