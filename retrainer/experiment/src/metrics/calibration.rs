//! Negative log-likelihood and expected calibration error.

use super::{distributions::Reliability, per_class::short, values::MetricValues};

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
    /// One sample with its −log p_y, its largest probability, and whether that was the label.
    pub(super) fn add(&mut self, nll: f64, confidence: f64, correct: bool) {
        self.samples += 1;
        self.nll += nll;
        if let Some(bin) = self.bins.get_mut(bin(confidence)) {
            bin.samples += 1;
            bin.hits += u64::from(correct);
            bin.confidence += confidence;
        }
    }

    pub(super) fn report(&self, values: &mut MetricValues) {
        let mean = |sum: f64| (self.samples > 0).then(|| sum / self.samples as f64);
        values.set("nll", mean(self.nll));
        values.set("ece", mean(self.bins.iter().map(Bin::gap).sum()));
    }

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

    #[test]
    fn bins_are_open_below_and_closed_above() {
        assert_eq!([0.0, 0.01, 1.0 / 15.0, 0.067, 0.5, 1.0].map(bin), [0, 0, 0, 1, 7, 14]);
    }

    #[test]
    fn ece_is_the_weighted_gap_of_each_bin() {
        // Bin of 0.9: confidences 0.9, 0.92, one hit: gap |1 − 1.82|; bin of 0.3: 0.3, a hit: gap 0.7; n = 3.
        let mut calibration = Calibration::default();
        calibration.add(1.0, 0.9, true);
        calibration.add(2.0, 0.92, false);
        calibration.add(0.5, 0.3, true);
        let mut values = MetricValues::EMPTY;
        calibration.report(&mut values);
        assert!((values.get("ece").unwrap() - (0.82 + 0.7) / 3.0).abs() < 1e-15);
        let reliability = calibration.reliability().unwrap();
        let bin = |m: usize| (reliability.count[m], reliability.confidence[m], reliability.accuracy[m]);
        assert_eq!((bin(0), bin(4), bin(13)), ((0, 0.0, 0.0), (1, 0.3, 1.0), (2, 0.91, 0.5)));
        assert_eq!(Calibration::default().reliability(), None);
        assert!((values.get("nll").unwrap() - 3.5 / 3.0).abs() < 1e-15);
    }
}
