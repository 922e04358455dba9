//! Statistics over seeds: mean, deviation, 95 % interval, paired t-test.

use std::sync::LazyLock;

/// Mean and spread of one number over n seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many values.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divisor n − 1); `None` of a single value.
    pub std: Option<f64>,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Summary {
    /// Summary of the values; `None` of nothing.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self {
            n,
            mean,
            std: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }

    /// Half the width of the 95 % confidence interval of the mean: t(0.975, n − 1) · std / √n.
    pub(crate) fn half_width_95(&self) -> Option<f64> {
        Some(student_t_quantile_975(self.n - 1) * self.std? / (self.n as f64).sqrt())
    }
}

/// Two-sided paired t-test of the differences of two methods on the same seeds: the probability of a mean difference
/// at least so large if there were none.
///
/// `None` with fewer than two pairs, and when all differences are equal: nothing tells their noise then.
pub(crate) fn paired_t_test(differences: &[f64]) -> Option<f64> {
    let summary = Summary::of(differences)?;
    let error = summary.std? / (summary.n as f64).sqrt();
    (error > 0.0).then(|| student_t_two_sided(summary.mean / error, (summary.n - 1) as f64))
}

/// Pearson's correlation of pairs; `None` with fewer than two, or when one side is constant.
pub(crate) fn pearson(xs: &[f64], ys: &[f64]) -> Option<f64> {
    let (x, y) = (Summary::of(xs)?.mean, Summary::of(ys)?.mean);
    let sum = |f: fn(f64, f64) -> f64| xs.iter().zip(ys).map(|(a, b)| f(a - x, b - y)).sum::<f64>();
    let (xx, yy, xy) = (sum(|a, _| a * a), sum(|_, b| b * b), sum(|a, b| a * b));
    Some(xy / (xx * yy).sqrt()).filter(|r| r.is_finite())
}

/// Spearman's rank correlation of pairs, equal values sharing their mean rank; `None` as [`pearson`].
pub(crate) fn spearman(xs: &[f64], ys: &[f64]) -> Option<f64> {
    pearson(&ranks(xs), &ranks(ys))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let below = |value: f64| values.iter().filter(|&&other| other < value).count() as f64;
    let equal = |value: f64| values.iter().filter(|&&other| other == value).count() as f64;
    values.iter().map(|&value| below(value) + f64::midpoint(equal(value), 1.0)).collect()
}

/// P(|T| ≥ |t|) of Student's distribution: I_x(ν/2, 1/2) at x = ν / (ν + t²).
fn student_t_two_sided(t: f64, freedom: f64) -> f64 {
    incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// The t with P(|T| ≥ t) = 0.05 for ν = `freedom` degrees; few are in use, so they are kept.
fn student_t_quantile_975(freedom: usize) -> f64 {
    static SMALL: LazyLock<Vec<f64>> =
        LazyLock::new(|| (0..64_u32).map(|nu| bisect_quantile_975(nu.into())).collect());
    SMALL.get(freedom).copied().unwrap_or_else(|| bisect_quantile_975(freedom as f64))
}

/// By bisection: the quantile lies between 1.96 (ν → ∞) and 12.71 (ν = 1).
fn bisect_quantile_975(freedom: f64) -> f64 {
    let (mut low, mut high) = (1.9, 13.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if student_t_two_sided(middle, freedom) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Regularized incomplete beta function I_x(a, b).
///
/// # Source
/// Continued fraction of NIST DLMF 8.17.22, evaluated by the modified Lentz method.
pub(super) fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast below the mean; the symmetry I_x(a, b) = 1 − I_{1−x}(b, a) covers the rest.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let guarded = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / guarded(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for step in [even, odd] {
            d = 1.0 / guarded(1.0 + step * d);
            c = guarded(1.0 + step / c);
            fraction *= c * d;
        }
        if (fraction / before - 1.0).abs() < 1e-15 {
            break;
        }
    }
    let log_front = a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    log_front.exp() * fraction / a
}

/// log Γ(x) for x > 0: Stirling's series after shifting x above 15, good to 1e-14.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 15.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y * (1.0 / 1680.0 - y / 1188.0)))) / x;
    shift + (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{got} is not {expected}");
    }

    #[test]
    fn summary_is_mean_and_sample_deviation() {
        let summary = Summary::of(&[1.0, 2.0, 4.0]).unwrap();
        close(summary.mean, 7.0 / 3.0);
        close(summary.std.unwrap(), (7.0_f64 / 3.0).sqrt());
        assert_eq!((summary.n, summary.min, summary.max), (3, 1.0, 4.0));
        assert_eq!(Summary::of(&[1.0]).unwrap().std, None);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn quantiles_are_those_of_the_closed_forms() {
        // ν = 1: tan(π (0.975 − 1/2)); ν = 2: with u = 2·0.975 − 1, u·sqrt(2 / (1 − u²)).
        close(student_t_quantile_975(1), (std::f64::consts::PI * 0.475).tan());
        close(student_t_quantile_975(2), 0.95 * (2.0 / (1.0 - 0.95_f64.powi(2))).sqrt());
        // scipy.stats.t.ppf(0.975, [4, 9]) -> 2.7764451051977987, 2.2621571627409915
        close(student_t_quantile_975(4), 2.776_445_105_197_798_7);
        close(student_t_quantile_975(9), 2.262_157_162_740_991_5);
        // scipy.stats.t.ppf(0.975, 1000) -> 1.9623390808264078
        close(student_t_quantile_975(1000), 1.962_339_080_826_407_8);
    }

    #[test]
    fn the_interval_is_t_times_the_standard_error() {
        let summary = Summary::of(&[1.0, 2.0, 3.0]).unwrap();
        close(summary.half_width_95().unwrap(), 4.302_652_729_911_275 / 3.0_f64.sqrt());
        assert_eq!(Summary::of(&[1.0]).unwrap().half_width_95(), None);
    }

    #[test]
    fn the_paired_test_has_the_closed_form_of_two_degrees_of_freedom() {
        // ν = 2: p = 1 − |t| / sqrt(2 + t²); differences 1, 2, 3 have t = 2 sqrt(3).
        close(paired_t_test(&[1.0, 2.0, 3.0]).unwrap(), 1.0 - (12.0_f64 / 14.0).sqrt());
        close(paired_t_test(&[-1.0, -2.0, -3.0]).unwrap(), 1.0 - (12.0_f64 / 14.0).sqrt());
        assert_eq!(paired_t_test(&[0.5, 0.5]), None);
        assert_eq!(paired_t_test(&[0.5]), None);
    }

    #[test]
    fn correlations_are_those_of_scipy() {
        // scipy.stats.pearsonr([1, 2, 3, 4], [1, 4, 9, 10]) -> 0.97373…; spearmanr with a tie as rankdata averages.
        let r = pearson(&[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 9.0, 10.0]).unwrap();
        assert!((r - 16.0 / (5.0_f64 * 54.0).sqrt()).abs() < 1e-12, "{r}");
        assert_eq!(ranks(&[10.0, 20.0, 10.0, 5.0]), [2.5, 4.0, 2.5, 1.0]);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[5.0, 50.0, 500.0]), Some(1.0));
        assert_eq!(pearson(&[1.0, 1.0], &[0.0, 1.0]), None);
        assert_eq!(pearson(&[1.0], &[0.0]), None);
    }
}
