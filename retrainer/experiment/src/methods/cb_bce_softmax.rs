//! Class-balanced binary cross-entropy on softmax probabilities: the loss of LTWB's second stage.

use super::{Build, Method, Reduction, Training, params, published, range::within};
use crate::spec::{Family, HeadSpec, Loss};
use cache::ClassCounts;
use longtail::effective_number_weights;

params! {
    /// Hyper-parameters of `cb-bce-softmax`.
    struct CbBceSoftmax {
        /// overlap β; 1 means weights ∝ 1/n_k
        beta: f64 = 0.9999, within(0.0, 1.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "cb-bce-softmax",
    aliases: &["cb-bce"],
    title: "CB-BCE",
    idea: "Puts softmax probabilities into a binary cross-entropy, weighted by the inverse effective number of the class. Averaged over all N·C entries its gradients are C times smaller than cross-entropy's, so it wants larger learning rates and weighs decay more.",
    formula: "(1 − β)/(1 − β^n_y) · Σ_k [−t_k log p_k − (1 − t_k) log(1 − p_k)], p = softmax(z); weights scaled to sum C, mean over N·C",
    source: "the code of Alshammari et al. 2022 (LTWB), after a re-implementation of Cui et al. 2019; LORT, Table 1 `CB` (applied with BCE loss)",
    reduces_to: "unweighted at β = 0",
    neutral: None,
    training: Training::Sgd,
    own: &CbBceSoftmax::DEFAULT,
    published: published!(reduction = Reduction::ElementMean, lr = 0.01, weight_decay = 0.1, epochs = 10),
    grid: "beta = [0.999, 0.9999]\nweight_decay = [0, 0.1]\nlr = [1e-2, 0.1, 1, 5]",
};

impl Build for CbBceSoftmax {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::sgd(Loss {
            family: Family::SoftmaxBce,
            weight: effective_number_weights(class_counts.counts(), self.beta),
            ..Loss::cross_entropy(class_counts.classes())
        })
    }
}
