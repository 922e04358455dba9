//! LADE: balanced softmax with a regulariser that disentangles logits from the prior.

use super::{
    Build, Method, Training, balanced_softmax, logit_adjusted_loss::prior_offset, params, range::within,
};
use crate::spec::{HeadSpec, Lader, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `lade`.
    struct Lade {
        /// weight α of the regulariser
        alpha: f64 = 0.1, within(0.0, 100.0), neutral 0.0;
        /// weight λ of the squared normaliser in it
        lambda: f64 = 0.01, within(0.0, 100.0);
    }
}

pub(super) static METHOD: Method = Method {
    name: "lade",
    aliases: &[],
    title: "LADE",
    idea: "Trains with the prior added to the logits, and ties each class's logits to its log-likelihood ratio by a Donsker–Varadhan bound over the batch. The logits then stand for a balanced prior.",
    formula: "CE(z + log π) + α Σ_k π_k (N_k + λ N_k² − mean_{y=k} z_k), N_k = log mean exp(z_k − log π_k − log C)",
    source: "Hong et al. 2021 (CVPR), Eq. 8–12; CIFAR100-LT α 0.1, λ 0.01",
    reduces_to: "`balanced-softmax` at α = 0",
    neutral: Some(&balanced_softmax::METHOD),
    training: Training::Sgd,
    own: &Lade::DEFAULT,
    published: &[],
    grid: "alpha = [0.01, 0.1]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for Lade {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let alpha = self.alpha;
        let lader =
            (alpha != 0.0).then(|| Lader { alpha, lambda: self.lambda, prior: class_counts.priors() });
        HeadSpec::sgd(Loss {
            offset: prior_offset(class_counts, 1.0),
            lader,
            ..Loss::cross_entropy(class_counts.classes())
        })
    }
}
