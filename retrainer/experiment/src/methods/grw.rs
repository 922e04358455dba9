//! Generalised re-weighting: class weights by a power of the inverse prior.

use super::{Build, Method, Training, ce, params, range::within};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;
use longtail::scaled_to_classes;

params! {
    /// Hyper-parameters of `grw`.
    struct Grw {
        /// exponent ρ of the inverse prior
        rho: f64 = 1.2, within(0.0, 4.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "grw",
    aliases: &["generalized-reweighting"],
    title: "GRW",
    idea: "Weighs samples by a power of their class's inverse prior, the loss that DisAlign trains its calibration with. The power sets how far the balance tips to small classes.",
    formula: "π_y^{−ρ} · (−log p_y), weights scaled to sum C",
    source: "Zhang et al. 2021 (CVPR, DisAlign), Eq. 11; ImageNet-LT ρ 1.2",
    reduces_to: "`ce` at ρ = 0 or equal class counts, weights ∝ 1/n_k at ρ = 1",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Grw::DEFAULT,
    published: &[],
    grid: "rho = [0.8, 1, 1.2]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for Grw {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let weight = inverse_prior_weights(class_counts, self.rho);
        HeadSpec::sgd(Loss { weight, ..Loss::cross_entropy(class_counts.classes()) })
    }
}

/// Weights `π_k^{−ρ}`, scaled so that they sum to C; a class without samples gets 0.
pub(super) fn inverse_prior_weights(class_counts: &ClassCounts, rho: f64) -> Vec<f64> {
    let weight = |prior: f64| match prior {
        prior if prior > 0.0 => prior.powf(-rho),
        _ => 0.0,
    };
    scaled_to_classes(class_counts.priors().into_iter().map(weight).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::testing::{cifar100_lt, close, first_middle_last};

    #[test]
    fn weights_of_cifar100_lt() {
        // w = (n / n.sum()) ** -rho; w * 100 / w.sum() at k = 0, 50, 99, in float64.
        let weights = |rho| first_middle_last(&inverse_prior_weights(&cifar100_lt(), rho));
        close(weights(1.0), [0.043_820_22, 0.456_460_66, 4.382_022_29], 2e-8);
        close(weights(1.2), [0.020_440_63, 0.340_226_96, 5.134_453_27], 2e-8);
    }

    #[test]
    fn weights_of_five_classes() {
        // The same with n = [100, 50, 20, 10, 2], rho = 1.2.
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        let expected = [0.036_932_754_2, 0.084_849_187_9, 0.254_786_082, 0.585_344_706_6, 4.038_087_269_3];
        close(inverse_prior_weights(&counts, 1.2).try_into().unwrap(), expected, 1e-9);
    }
}
