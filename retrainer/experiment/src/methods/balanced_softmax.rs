//! Balanced softmax: the class prior added to the logits during training.

use super::{Method, Training, logit_adjusted_loss::prior_offset};
use crate::head::{HeadSpec, Loss};

pub(super) static METHOD: Method = Method {
    name: "balanced-softmax",
    aliases: &["bs"],
    title: "Balanced Softmax",
    idea: "Adds the log prior to the logits in training only, so that the plain logits are right for balanced test data.",
    formula: "z_k + log π_k in training, z_k at test time",
    source: "Ren et al. 2020 (NeurIPS), Eq. 4; equals the logit-adjusted loss of Menon et al. 2021 at τ = 1",
    reduces_to: "`ce` at equal class counts",
    training: Training::Sgd,
    params: &[],
    sgd_defaults: &[],
    grid: "lr = [5e-4, 5e-3, 5e-2, 0.2]",
    build: |class_counts, _| {
        let offset = prior_offset(class_counts, 1.0);
        HeadSpec::sgd(Loss { offset, ..Loss::cross_entropy(class_counts.classes()) })
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Params;
    use cache::ClassCounts;

    #[test]
    fn offsets_are_log_priors() {
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        let spec = (METHOD.build)(&counts, &Params::resolve(&METHOD, &[]).unwrap());
        let loss = &spec.trained().unwrap().loss;
        for (offset, n) in loss.offset.iter().zip([100.0_f64, 50.0, 20.0, 10.0, 2.0]) {
            assert!((offset - (n / 182.0).ln()).abs() < 1e-15);
        }
    }
}
