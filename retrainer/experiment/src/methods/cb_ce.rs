//! Class-balanced cross-entropy: weights by effective numbers of samples.

use super::{Build, Method, Training, ce, params, range::within};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;
use longtail::effective_number_weights;

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
        let weight = effective_number_weights(class_counts.counts(), self.beta);
        HeadSpec::sgd(Loss { weight, ..Loss::cross_entropy(class_counts.classes()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::testing::{cifar100_lt, close, first_middle_last};

    #[test]
    fn weights_of_cifar100_lt() {
        // (1 - b) / (1 - b**n) normalised to sum 100, at k = 0, 50, 99, in float64; in f32, 1 - b**n would lose the digits of the first row.
        for (beta, expected) in [
            (0.9999, [0.044_875_66, 0.457_055_46, 4.378_312_56]),
            (0.999, [0.055_076_24, 0.462_349_79, 4.344_513_73]),
            (0.99, [0.196_523_55, 0.510_131_33, 3.983_523_56]),
            (0.9, [0.820_193_58, 0.825_445_63, 2.002_865_82]),
        ] {
            close(first_middle_last(&effective_number_weights(cifar100_lt().counts(), beta)), expected, 1e-8);
        }
    }
}
