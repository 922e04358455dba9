//! A histogram that needs no range beforehand.

use serde::{Deserialize, Serialize};

/// Most bins of a histogram; between half of them and all are in use once values differ.
const BINS: usize = 48;

/// Width of a bin before any value came, a power of two far below the differences of logits that matter.
const FINEST: f64 = 1.0 / 1_048_576.0;

/// Counts of values in equal bins: bin i holds low + i·width ≤ x < low + (i + 1)·width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Width of every bin.
    pub width: f64,
    /// Values in each bin.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Number of values.
    pub fn total(&self) -> u64 {
        // Counts of a record may be anything.
        self.counts.iter().fold(0, |total, &count| total.saturating_add(count))
    }

    /// Middle of each bin, and the share of the values in it divided by the width: the area is 1.
    pub(crate) fn density(&self) -> impl Iterator<Item = (f64, f64)> {
        let scale = self.width * self.total().max(1) as f64;
        let middle = move |bin: usize| self.low + (bin as f64 + 0.5) * self.width;
        self.counts.iter().enumerate().map(move |(bin, &count)| (middle(bin), count as f64 / scale))
    }
}

/// A histogram under construction.
///
/// Widths are powers of two and edges are their multiples. When a value does not fit, neighbouring bins are merged until it
/// does, so one pass is enough, and the result does not depend on the order of the values: it has the smallest width at
/// which all of them fit.
#[derive(Clone, Debug)]
pub(super) struct StreamingHistogram {
    /// Lower edge of the first bin in units of the width: a whole number.
    first: f64,
    width: f64,
    /// 1 / width, exact as the width is.
    per_width: f64,
    /// `first` where that is a whole number of this type, else its nearest.
    first_whole: i64,
    counts: [u64; BINS],
}

impl Default for StreamingHistogram {
    fn default() -> Self {
        Self::empty(0.0, FINEST)
    }
}

impl StreamingHistogram {
    #[expect(clippy::cast_possible_truncation, reason = "casts of floating-point numbers take the nearest")]
    fn empty(first: f64, width: f64) -> Self {
        Self { first, width, per_width: width.recip(), first_whole: first as i64, counts: [0; BINS] }
    }

    /// Adds one finite value.
    #[inline]
    pub(super) fn add(&mut self, value: f32) {
        let value = f64::from(value);
        if let Some(count) = self.bin(value) {
            *count += 1;
            return;
        }
        self.make_room(value);
        if let Some(count) = self.bin(value) {
            *count += 1;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole numbers below 2^52 fit; a place below 0 becomes one beyond the bins"
    )]
    #[inline]
    fn bin(&mut self, value: f64) -> Option<&mut u64> {
        /// Beyond it a number has no fraction, and may not fit the whole numbers.
        const WHOLE: f64 = 4_503_599_627_370_496.0;
        // Exact, the width being a power of two; so is the difference after rounding down, and not before.
        let scaled = value * self.per_width;
        let place = if scaled.abs() < WHOLE {
            // As `floor`, which many processors' common subset has no instruction for.
            let whole = scaled as i64;
            (whole - i64::from(whole as f64 > scaled)).wrapping_sub(self.first_whole) as usize
        } else {
            let place = scaled - self.first;
            if (0.0..BINS as f64).contains(&place) { place as usize } else { BINS }
        };
        self.counts.get_mut(place)
    }

    /// Widens the bins until the value and all before it fit, and centres the range.
    #[cold]
    fn make_room(&mut self, value: f64) {
        let occupied = |counts: &[u64]| {
            Some((counts.iter().position(|&n| n > 0)?, counts.iter().rposition(|&n| n > 0)?))
        };
        loop {
            let first = self.first;
            let own = (value * self.per_width).floor();
            let (low, high) = match occupied(&self.counts) {
                Some((low, high)) => (own.min(first + low as f64), own.max(first + high as f64)),
                None => (own, own),
            };
            let fits = high - low < BINS as f64;
            let mut moved = if fits {
                Self::empty(low - ((BINS as f64 - 1.0 - (high - low)) / 2.0).floor(), self.width)
            } else {
                Self::empty((first / 2.0).floor(), 2.0 * self.width)
            };
            for (bin, &count) in self.counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
                if let Some(slot) = moved.bin((first + bin as f64) * self.width) {
                    *slot += count;
                }
            }
            *self = moved;
            if fits {
                return;
            }
        }
    }

    /// Without the empty bins at both ends; `None` of no value.
    pub(super) fn finish(&self) -> Option<Histogram> {
        let first = self.counts.iter().position(|&count| count > 0)?;
        let last = self.counts.iter().rposition(|&count| count > 0)?;
        let counts = self.counts.get(first..=last)?.to_vec();
        Some(Histogram { low: (self.first + first as f64) * self.width, width: self.width, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(values: &[f32]) -> Histogram {
        let mut histogram = StreamingHistogram::default();
        for &value in values {
            histogram.add(value);
        }
        histogram.finish().unwrap()
    }

    #[test]
    fn bins_are_those_of_numpy_at_the_same_edges() {
        // np.histogram([-3, 0, 0.5, 0.99, 1, 20], bins=np.arange(-3, 21.5, 0.5)): a range of 23 needs 47 bins of 1/2.
        let histogram = histogram(&[-3.0, 0.0, 0.5, 0.99, 1.0, 20.0]);
        assert_eq!((histogram.low, histogram.width, histogram.counts.len()), (-3.0, 0.5, 47));
        let occupied: Vec<_> =
            histogram.counts.iter().enumerate().filter(|&(_, &n)| n > 0).map(|(bin, &n)| (bin, n)).collect();
        assert_eq!(occupied, [(0, 1), (6, 1), (7, 2), (8, 1), (46, 1)]);
        let area: f64 = histogram.density().map(|(_, density)| density * histogram.width).sum();
        assert!((area - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_value_is_one_bin_and_no_value_no_histogram() {
        assert_eq!(histogram(&[7.25; 9]).counts, [9]);
        assert_eq!(StreamingHistogram::default().finish(), None);
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter_and_no_value_is_lost(mut values in proptest::collection::vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 1..60)) {
            let forward = histogram(&values);
            values.reverse();
            prop_assert_eq!(&forward, &histogram(&values));
            values.sort_by(f32::total_cmp);
            prop_assert_eq!(&forward, &histogram(&values));
            prop_assert_eq!(forward.total(), values.len() as u64);
            prop_assert!(forward.counts.len() <= BINS);
        }
    }
}
