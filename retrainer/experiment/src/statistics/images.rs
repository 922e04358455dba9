//! Statistics over test images: McNemar's test, a paired bootstrap, Holm's correction.

use super::seeds::incomplete_beta;
use longtail::random;
use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use rayon::prelude::*;

/// Resamples of the bootstrap: the smallest p-value is 2 / 10,001, below 0.05 after Holm's correction of 250 rows.
pub(crate) const RESAMPLES: usize = 10_000;

/// Resamples that share a random stream; streams are drawn side by side, with the same result on any number of cores.
const RESAMPLES_OF_A_STREAM: usize = 100;

/// McNemar's test of two classifiers on the same samples: two-sided mid-p of the samples that only one of them has right.
///
/// With n = `first` + `second` and k the smaller of both: P(X < k) + P(X ≤ k) of the binomial distribution of n fair coins;
/// 1 where none is discordant or both are equal.
///
/// # Source
/// McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages"; the mid-p
/// variant as Fagerland, Lydersen and Laake 2013, "The McNemar test for binary matched-pairs data", whose formula subtracts
/// half of P(X = k) for equal counts, where this one is 1.
pub(crate) fn mcnemar(first: u64, second: u64) -> f64 {
    let (n, k) = (first + second, first.min(second));
    // P(X ≤ k) = I_{1/2}(n − k, k + 1)
    let at_most = |k: u64| {
        if k >= n { 1.0 } else { incomplete_beta((n - k) as f64, k as f64 + 1.0, 0.5) }
    };
    let below = k.checked_sub(1).map_or(0.0, at_most);
    (below + at_most(k)).min(1.0)
}

/// Paired bootstrap over samples: for each comparison the two-sided p-value of the mean over classes of the mean difference
/// of their samples.
///
/// `classes` `[C]` are the samples of each class, `differences` the difference of every sample for each comparison, class by
/// class, in any unit. A resample draws as many samples of each class with replacement, since an accuracy here is a mean of
/// per-class accuracies; all comparisons see the same resamples. With B [`RESAMPLES`] the p-value is 2 (1 + m) / (B + 1), at
/// most 1, where m is the smaller number of resamples whose difference is not above, and not below 0: the level at which the
/// percentile interval just holds 0.
///
/// # Source
/// Efron and Tibshirani 1993, "An Introduction to the Bootstrap", Sections 13.3 and 15.4.
pub(crate) fn paired_bootstrap(classes: &[u32], differences: &[Vec<i32>]) -> Vec<f64> {
    let streams = RESAMPLES.div_ceil(RESAMPLES_OF_A_STREAM) as u64;
    let none = || vec![Signs::default(); differences.len()];
    let signs = (0..streams)
        .into_par_iter()
        .map(|stream| {
            let mut rng = random::stream(0, "bootstrap over test samples", stream);
            let mut signs = none();
            for _ in 0..RESAMPLES_OF_A_STREAM {
                let times = resample(classes, &mut rng);
                for (signs, differences) in signs.iter_mut().zip(differences) {
                    signs.add(mean_over_classes(classes, &times, differences));
                }
            }
            signs
        })
        .reduce(none, |a, b| a.into_iter().zip(b).map(|(a, b)| a.and(b)).collect());
    signs.into_iter().map(Signs::p_value).collect()
}

/// Resamples by the sign of their difference.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    not_above: u64,
    not_below: u64,
    all: u64,
}

impl Signs {
    fn add(&mut self, difference: f64) {
        // Sums of fractions that cancel leave rounding.
        self.not_above += u64::from(difference < 1e-9);
        self.not_below += u64::from(difference > -1e-9);
        self.all += 1;
    }

    fn and(self, other: Self) -> Self {
        Self {
            not_above: self.not_above + other.not_above,
            not_below: self.not_below + other.not_below,
            all: self.all + other.all,
        }
    }

    fn p_value(self) -> f64 {
        let extreme = self.not_above.min(self.not_below);
        (2.0 * (extreme + 1) as f64 / (self.all + 1) as f64).min(1.0)
    }
}

/// How often each sample is drawn.
fn resample(classes: &[u32], rng: &mut ChaCha8Rng) -> Vec<i32> {
    let mut times = vec![0; classes.iter().map(|&n| n as usize).sum()];
    let mut rest = times.as_mut_slice();
    for &n in classes {
        let (class, others) = rest.split_at_mut(n as usize);
        for _ in 0..n {
            // Of 2³² numbers at most n fall unevenly.
            let place = (u64::from(rng.next_u32()) * u64::from(n)) >> 32;
            if let Some(count) = usize::try_from(place).ok().and_then(|place| class.get_mut(place)) {
                *count += 1;
            }
        }
        rest = others;
    }
    times
}

/// Mean over the classes with samples of the mean difference of the drawn ones.
fn mean_over_classes(classes: &[u32], times: &[i32], differences: &[i32]) -> f64 {
    let (mut sum, mut start) = (0.0, 0);
    for &n in classes.iter().filter(|&&n| n > 0) {
        let class = start..start + n as usize;
        let drawn = times.get(class.clone()).unwrap_or_default().iter();
        let total: i64 = drawn
            .zip(differences.get(class.clone()).unwrap_or_default())
            .map(|(&times, &difference)| i64::from(times) * i64::from(difference))
            .sum();
        sum += total as f64 / f64::from(n);
        start = class.end;
    }
    sum / classes.iter().filter(|&&n| n > 0).count().max(1) as f64
}

/// Holm's correction of p-values of several comparisons, in their order: with m of them the i-th smallest times m − i + 1, not
/// smaller than those before it, at most 1. Those below a level bound the chance of any false one by it.
///
/// # Source
/// Holm 1979, "A simple sequentially rejective multiple test procedure".
pub(crate) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| {
        let value = |place: usize| p_values.get(place).copied().unwrap_or(1.0);
        value(a).total_cmp(&value(b))
    });
    let mut corrected = vec![1.0; p_values.len()];
    let mut least = 0.0_f64;
    for (before, &place) in order.iter().enumerate() {
        if let Some((slot, p)) = corrected.get_mut(place).zip(p_values.get(place)) {
            least = least.max((p * (p_values.len() - before) as f64).min(1.0));
            *slot = least;
        }
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64, tolerance: f64) {
        assert!((got - expected).abs() <= tolerance * expected.abs(), "{got} is not {expected}");
    }

    #[test]
    fn mcnemar_is_the_mid_p_of_the_discordant_samples() {
        // Closed forms of a few fair coins: 2·P(X = 0) less P(X = 0).
        assert_eq!((mcnemar(0, 0), mcnemar(7, 7)), (1.0, 1.0));
        close(mcnemar(5, 0), 1.0 / 32.0, 1e-12);
        close(mcnemar(1, 3), (1.0 + 1.0 + 4.0) / 16.0, 1e-12);
        assert_eq!(mcnemar(3, 1), mcnemar(1, 3));
        // scipy.stats.binom.cdf(k, n, .5) + scipy.stats.binom.cdf(k - 1, n, .5) of k, n = (20, 60), (1500, 3115)
        // -> 0.009853448195259264, 0.039366993164060546
        close(mcnemar(20, 40), 0.009_853_448_195_259_264, 1e-9);
        close(mcnemar(1500, 1615), 0.039_366_993_164_060_546, 1e-9);
    }

    #[test]
    fn fifteen_images_of_ten_thousand_are_chance() {
        // +0.15 points on 10,000 images, of which 885 are right for one head alone: p = 0.61.
        assert!(mcnemar(450, 435) > 0.5);
        assert!(mcnemar(1000, 455) < 1e-9);
    }

    #[test]
    fn the_bootstrap_of_one_class_and_one_against_one_is_near_mcnemar() {
        // 60 samples right only for the first, 90 only for the second, 850 for both or none.
        let differences: Vec<i32> = [vec![-1; 60], vec![1; 90], vec![0; 850]].into_iter().flatten().collect();
        let p = paired_bootstrap(&[1000], &[differences.clone(), differences.iter().map(|d| -d).collect()]);
        // Both are near the normal 2·Φ(−30 / √150) = 0.0143; a p-value of 10,000 resamples has a deviation of 0.0012.
        close(p[0], mcnemar(60, 90), 0.3);
        assert_eq!(p[0], p[1], "a difference and its opposite");
    }

    #[test]
    fn the_bootstrap_weighs_classes_equally_and_keeps_to_them() {
        // Class 0: 2 of 4 samples better; class 1: 100 of 400 worse. Means 0.5 and −0.25, though most samples are worse.
        let differences: Vec<i32> =
            [vec![1, 1, 0, 0], vec![-1; 100], vec![0; 300]].into_iter().flatten().collect();
        let p = paired_bootstrap(&[4, 0, 400], &[differences, vec![0; 404], vec![3; 404]]);
        // Class 0 alone decides: its mean of 4 draws is 0, 1/4, 1/2 … with 1, 4, 6 … sixteenths; class 1 is −0.25 ± 0.02. Not
        // above 0 are 1/16 and half of 4/16, so p is about 2·3/16.
        close(p[0], 0.375, 0.1);
        assert_eq!(p[1], 1.0, "no difference at all");
        close(p[2], 2.0 / 10_001.0, 1e-12);
    }

    #[test]
    fn holm_multiplies_in_order_and_never_falls() {
        // statsmodels.stats.multitest.multipletests([.01, .04, .03, .005], method="holm")[1] -> .03, .06, .06, .02
        for (got, expected) in holm(&[0.01, 0.04, 0.03, 0.005]).into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
            close(got, expected, 1e-12);
        }
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }
}
