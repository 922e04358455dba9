//! What losses for long-tailed data make of the class counts `[C]`.

/// LDAM's margins `max_margin · (n_min / n_k)^{1/4}`: the smallest class with samples has `max_margin`.
///
/// A class without samples has none. The bound of which Δ_k ∝ n_k^{−1/4} is the optimum has one term for each class that is seen,
/// and a margin is taken off a sample's own class: that of a class without samples is never used. By the formula it would be
/// infinite, and the largest, and with `max_margin` as its measure every other margin would vanish.
///
/// # Source
/// Cao et al. 2019 (NeurIPS), Eq. 13.
pub fn ldam_margins(counts: &[u64], max_margin: f64) -> Vec<f64> {
    let smallest = counts.iter().copied().filter(|&n| n > 0).min().unwrap_or(1) as f64;
    let margin = |n: u64| if n == 0 { 0.0 } else { max_margin * (smallest / n as f64).powf(0.25) };
    counts.iter().map(|&n| margin(n)).collect()
}

/// Weights by effective numbers of samples, `(1 − β) / (1 − β^{n_k})` scaled so that they sum to C: all 1 at β = 0, ∝ 1/n_k at
/// β = 1. A class without samples gets 0.
///
/// # Source
/// Cui et al. 2019 (CVPR), Eq. 2 and 8.
pub fn effective_number_weights(counts: &[u64], beta: f64) -> Vec<f64> {
    let raw = counts.iter().map(|&n| match n {
        0 => 0.0,
        _ if beta >= 1.0 => 1.0 / n as f64,
        // 1 − β^n loses its digits for β near 1; expm1 and ln_1p keep them.
        _ => (1.0 - beta) / -(n as f64 * (-(1.0 - beta)).ln_1p()).exp_m1(),
    });
    scaled_to_classes(raw.collect())
}

/// Scales weights so that they sum to their number.
pub fn scaled_to_classes(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    let classes = weights.len() as f64;
    weights.into_iter().map(|weight| weight * classes / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
        }
    }

    /// LDAM-DRW's code, `m = n ** -0.25; m * (max_m / m.max())`, for the classes that have samples, in float64. Its code divides
    /// by zero for another.
    #[test]
    fn a_class_without_samples_has_no_margin_and_leaves_those_of_the_others_alone() {
        let expected = [0.188_030_154_7, 0.223_606_797_7, 0.281_170_662_6, 0.334_370_152_5, 0.5];
        close(&ldam_margins(&[100, 50, 20, 10, 2], 0.5), &expected);
        let with_gap = ldam_margins(&[100, 50, 0, 20, 10, 2], 0.5);
        assert_eq!(with_gap[2], 0.0);
        close(&[&with_gap[..2], &with_gap[3..]].concat(), &expected);
        assert_eq!(ldam_margins(&[100, 0, 3], 0.0), [0.0; 3]);
    }

    #[test]
    fn a_class_without_samples_weighs_nothing() {
        for beta in [0.0, 0.99, 1.0] {
            close(&effective_number_weights(&[7, 0, 7], beta), &[1.5, 0.0, 1.5]);
        }
    }

    #[test]
    fn weights_equal_the_closed_form() {
        // (1 - b) / (1 - b**n) normalised to sum 5, in float64; n = [100, 50, 20, 10, 2], b = 0.9999.
        let expected = [0.073_870_513_9, 0.147_372_578_7, 0.367_879_508_2, 0.735_391_302_4, 3.675_486_096_9];
        close(&effective_number_weights(&[100, 50, 20, 10, 2], 0.9999), &expected);
    }

    #[test]
    fn beta_zero_weighs_all_classes_alike_and_one_inversely() {
        assert_eq!(effective_number_weights(&[100, 10], 0.0), [1.0, 1.0]);
        let inverse = effective_number_weights(&[100, 10], 1.0);
        close(&inverse, &effective_number_weights(&[100, 10], 1.0 - 1e-12));
        assert!((inverse[1] / inverse[0] - 10.0).abs() < 1e-12);
    }
}
