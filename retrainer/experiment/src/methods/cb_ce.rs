//! Class-balanced cross-entropy: weights by effective numbers of samples.

use super::{Build, Method, Training, ce, params, range::within};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `cb-ce`.
    struct CbCe {
        /// overlap β; 1 means weights ∝ 1/n_k
        beta: f64 = 0.9999, within(0.0, 1.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "cb-ce",
    aliases: &["class-balanced"],
    title: "CB-CE",
    idea: "Weighs classes by the inverse effective number of their samples, which grows slower than n_k because samples overlap.",
    formula: "(1 − β)/(1 − β^n_y) · (−log p_y), weights scaled to sum C",
    source: "Cui et al. 2019 (CVPR), Eq. 2 and 8",
    reduces_to: "`ce` at β = 0 or equal class counts; weights ∝ 1/n_k as β → 1",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &CbCe::DEFAULT,
    published: &[],
    grid: "beta = [0.99, 0.999, 0.9999]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for CbCe {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let weight = effective_number_weights(class_counts, self.beta);
        HeadSpec::sgd(Loss { weight, ..Loss::cross_entropy(class_counts.classes()) })
    }
}

/// Weights (1 − β)/(1 − β^n_k), scaled so that they sum to C; a class without samples gets 0.
pub(super) fn effective_number_weights(class_counts: &ClassCounts, beta: f64) -> Vec<f64> {
    let raw = class_counts.counts().iter().map(|&n| match n {
        0 => 0.0,
        _ if beta >= 1.0 => 1.0 / n as f64,
        // 1 − β^n loses its digits for β near 1; expm1 and ln_1p keep them.
        _ => (1.0 - beta) / -(n as f64 * (-(1.0 - beta)).ln_1p()).exp_m1(),
    });
    scaled_to_classes(raw.collect())
}

/// Scales weights so that they sum to their number.
pub(super) fn scaled_to_classes(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    let classes = weights.len() as f64;
    weights.into_iter().map(|weight| weight * classes / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::testing::{cifar100_lt, close, first_middle_last};

    #[test]
    fn weights_equal_the_closed_form() {
        // (1 - b) / (1 - b**n) normalised to sum 5, in float64; n = [100, 50, 20, 10, 2], b = 0.9999.
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        let expected = [0.073_870_513_9, 0.147_372_578_7, 0.367_879_508_2, 0.735_391_302_4, 3.675_486_096_9];
        for (got, expected) in effective_number_weights(&counts, 0.9999).iter().zip(expected) {
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
    }

    #[test]
    fn weights_of_cifar100_lt() {
        // The same at k = 0, 50, 99; in f32, 1 - b**n would lose the digits of the first row.
        for (beta, expected) in [
            (0.9999, [0.044_875_66, 0.457_055_46, 4.378_312_56]),
            (0.999, [0.055_076_24, 0.462_349_79, 4.344_513_73]),
            (0.99, [0.196_523_55, 0.510_131_33, 3.983_523_56]),
            (0.9, [0.820_193_58, 0.825_445_63, 2.002_865_82]),
        ] {
            close(first_middle_last(&effective_number_weights(&cifar100_lt(), beta)), expected, 1e-8);
        }
    }

    #[test]
    fn beta_zero_weighs_all_classes_alike_and_one_inversely() {
        let counts = ClassCounts::new(vec![100, 10]).unwrap();
        assert_eq!(effective_number_weights(&counts, 0.0), [1.0, 1.0]);
        let inverse = effective_number_weights(&counts, 1.0);
        let near = effective_number_weights(&counts, 1.0 - 1e-12);
        for (one, two) in inverse.iter().zip(near) {
            assert!((one - two).abs() < 1e-9);
        }
        assert!((inverse[1] / inverse[0] - 10.0).abs() < 1e-12);
    }
}
