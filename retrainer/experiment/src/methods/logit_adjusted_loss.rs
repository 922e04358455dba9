//! Logit-adjusted loss: the class prior, to a power, added to the logits during training.

use super::{Build, Method, Training, ce, params, range::within};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `logit-adjusted-loss`.
    struct LogitAdjustedLoss {
        /// strength τ of the adjustment
        tau: f64 = 1.0, within(0.0, 10.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "logit-adjusted-loss",
    aliases: &["la-loss"],
    title: "Logit-Adjusted Loss",
    idea: "Adds τ log prior to the logits in training only, which is Fisher-consistent for the balanced error at τ = 1. The plain logits decide at test time.",
    formula: "z_k + τ log π_k in training, z_k at test time",
    source: "Menon et al. 2021 (ICLR), Eq. 10",
    reduces_to: "`ce` at τ = 0, `balanced-softmax` at τ = 1",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &LogitAdjustedLoss::DEFAULT,
    published: &[],
    grid: "tau = [0.5, 1, 1.5]\nlr = [5e-4, 5e-3, 5e-2, 0.2]",
};

impl Build for LogitAdjustedLoss {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let offset = prior_offset(class_counts, self.tau);
        HeadSpec::sgd(Loss { offset, ..Loss::cross_entropy(class_counts.classes()) })
    }
}

/// `τ log π_k`; 0 at τ = 0 even for classes without samples.
pub(super) fn prior_offset(class_counts: &ClassCounts, tau: f64) -> Vec<f64> {
    let offset = |prior: f64| if tau == 0.0 { 0.0 } else { tau * prior.ln() };
    class_counts.priors().into_iter().map(offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::testing::{cifar100_lt, close, first_middle_last};

    #[test]
    fn offsets_are_log_priors_of_cifar100_lt() {
        // log(n / n.sum()) at k = 0, 50, 99, in float64.
        close(
            first_middle_last(&prior_offset(&cifar100_lt(), 1.0)),
            [-3.077_035_72, -5.420_442_81, -7.682_205_91],
            1e-8,
        );
    }

    #[test]
    fn scaling_all_counts_leaves_the_adjustment_unchanged() {
        let counts = |factor: u64| ClassCounts::new([100, 50, 2].map(|n| n * factor).to_vec()).unwrap();
        for (one, two) in prior_offset(&counts(1), 1.5).iter().zip(prior_offset(&counts(7), 1.5)) {
            assert!((one - two).abs() < 1e-14);
        }
    }
}
