//! Negative log-likelihood and expected calibration error.

use super::{
    accumulator::{Accumulator, Report, Sample},
    distributions::Reliability,
    groups::Groups,
    metric::{Metric, metric},
    per_class::short,
};

/// Negative log-likelihood: mean of −log p_y over samples.
pub const NLL: Metric = metric!("nll", Nats, Lower);
/// Expected calibration error, 15 equal bins of the confidence.
pub const ECE: Metric = metric!("ece", Fraction, Lower);

/// Number of equal confidence bins ((m−1)/15, m/15].
const BINS: usize = 15;

/// Streaming sums of −log p_y and of the confidence bins.
///
/// ECE = Σ_m (n_m / n) |accuracy_m − confidence_m| over samples, each of equal weight.
///
/// # Source
/// Guo et al. 2017, "On Calibration of Modern Neural Networks", Eq. 3, with 15 bins as there.
#[derive(Clone, Debug, Default)]
pub(super) struct Calibration {
    samples: u64,
    nll: f64,
    bins: [Bin; BINS],
}

/// The samples of one bin of the confidence.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    samples: u64,
    hits: u64,
    confidence: f64,
}

impl Calibration {
    /// The bins themselves; `None` before the first sample.
    pub(super) fn reliability(&self) -> Option<Reliability> {
        let mean = |bin: &Bin, sum: f64| short(sum / bin.samples.max(1) as f64).unwrap_or_default();
        (self.samples > 0).then(|| Reliability {
            count: self.bins.iter().map(|bin| bin.samples).collect(),
            confidence: self.bins.iter().map(|bin| mean(bin, bin.confidence)).collect(),
            accuracy: self.bins.iter().map(|bin| mean(bin, bin.hits as f64)).collect(),
        })
    }
}

impl Accumulator for Calibration {
    const METRICS: &'static [Metric] = &[NLL, ECE];

    fn new(_: &Groups) -> Self {
        Self::default()
    }

    #[inline]
    fn add(&mut self, sample: &Sample<'_>) {
        let Some(prediction) = sample.prediction else { return };
        self.samples += 1;
        self.nll += prediction.nll;
        if let Some(bin) = self.bins.get_mut(bin(prediction.confidence)) {
            bin.samples += 1;
            bin.hits += u64::from(sample.right());
            bin.confidence += prediction.confidence;
        }
    }

    fn report(&self, _: &Groups, report: &mut Report) {
        let mean = |sum: f64| (self.samples > 0).then(|| sum / self.samples as f64);
        report.values.set(NLL, mean(self.nll));
        report.values.set(ECE, mean(self.bins.iter().map(Bin::gap).sum()));
        if let Some(reliability) = self.reliability() {
            report.per_class.distributions.get_or_insert_default().reliability = Some(reliability);
        }
    }
}

impl Bin {
    /// n_m |accuracy_m − confidence_m|
    fn gap(&self) -> f64 {
        (self.hits as f64 - self.confidence).abs()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to 0..BINS first"
)]
fn bin(confidence: f64) -> usize {
    ((confidence * BINS as f64).ceil() - 1.0).clamp(0.0, (BINS - 1) as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{
        TOP1,
        accumulator::Prediction,
        testing::{close, evaluate, labels},
    };
    use cache::ClassCounts;

    #[test]
    fn bins_are_open_below_and_closed_above() {
        assert_eq!([0.0, 0.01, 1.0 / 15.0, 0.067, 0.5, 1.0].map(bin), [0, 0, 0, 1, 7, 14]);
    }

    #[test]
    fn ece_is_the_weighted_gap_of_each_bin() {
        // Bin of 0.9: confidences 0.9, 0.92, one hit: gap |1 − 1.82|; bin of 0.3: 0.3, a hit: gap 0.7; n = 3.
        let counts = ClassCounts::new(vec![200, 50]).unwrap();
        let mut calibration = Calibration::new(&Groups::new(&counts));
        for (nll, confidence, class) in [(1.0, 0.9, 0), (2.0, 0.92, 1), (0.5, 0.3, 0)] {
            let prediction = Some(Prediction { class, confidence, nll });
            calibration.add(&Sample { row: &[], label: 0, prediction });
        }
        let mut metrics = Report::default();
        calibration.report(&Groups::new(&counts), &mut metrics);
        let value = |metric| metrics.values.0.iter().find(|(own, _)| *own == metric).unwrap().1.unwrap();
        assert!((value(ECE) - (0.82 + 0.7) / 3.0).abs() < 1e-15);
        let reliability = calibration.reliability().unwrap();
        let bin = |m: usize| (reliability.count[m], reliability.confidence[m], reliability.accuracy[m]);
        assert_eq!((bin(0), bin(4), bin(13)), ((0, 0.0, 0.0), (1, 0.3, 1.0), (2, 0.91, 0.5)));
        assert_eq!(Calibration::default().reliability(), None);
        assert!((value(NLL) - 3.5 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn likelihood_is_the_cross_entropy_of_torch() {
        // torch.nn.functional.cross_entropy(Z.double(), torch.tensor([0, 3, 4])) -> 1.0123983316
        let logits = [2., 0.5, -1., 0., 0.3, 1.2, -0.7, 0.4, 0.9, -1.5, 0.1, 1.1, -0.2, 0.6, 0.8];
        let metrics = evaluate(&[100, 50, 20, 10, 2], &logits, &labels(&[0, 3, 4]));
        close(metrics.values.get(NLL), 1.012_398_331_6, 1e-7);
        assert_eq!(metrics.values.get(TOP1.few), Some(0.0));
        assert_eq!(metrics.values.get(TOP1.many), None);
    }
}
