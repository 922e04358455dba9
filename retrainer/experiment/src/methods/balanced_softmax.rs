//! Balanced softmax: the class prior added to the logits during training.

use super::{Build, Method, Training, logit_adjusted_loss::prior_offset, params};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `balanced-softmax`.
    struct BalancedSoftmax {}
}

pub(super) static METHOD: Method = Method {
    name: "balanced-softmax",
    aliases: &["bs"],
    title: "Balanced Softmax",
    idea: "Adds the log prior to the logits in training only, so that the plain logits are right for balanced test data.",
    formula: "z_k + log π_k in training, z_k at test time",
    source: "Ren et al. 2020 (NeurIPS), Eq. 4; equals the logit-adjusted loss of Menon et al. 2021 at τ = 1",
    reduces_to: "`ce` at equal class counts",
    neutral: None,
    training: Training::Sgd,
    own: &BalancedSoftmax::DEFAULT,
    published: &[],
    grid: "lr = [5e-4, 5e-3, 5e-2, 0.2]",
};

impl Build for BalancedSoftmax {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let offset = prior_offset(class_counts, 1.0);
        HeadSpec::sgd(Loss { offset, ..Loss::cross_entropy(class_counts.classes()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Params;
    use cache::ClassCounts;

    #[test]
    fn offsets_are_log_priors() {
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        let spec = Params::resolve(&METHOD, &[]).unwrap().build(&counts);
        let loss = &spec.trained().unwrap().loss;
        for (offset, n) in loss.offset.iter().zip([100.0_f64, 50.0, 20.0, 10.0, 2.0]) {
            assert!((offset - (n / 182.0).ln()).abs() < 1e-15);
        }
    }
}
