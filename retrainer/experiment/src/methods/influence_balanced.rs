//! Influence-balanced loss: samples that pull hard at the weights count less.

use super::{
    Build, Method, Reduction, Training,
    grw::inverse_prior_weights,
    params, published,
    range::{above, flag},
};
use crate::spec::{Family, HeadSpec, Influence, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `influence-balanced`.
    struct InfluenceBalanced {
        /// factor α of the loss: with features of length |f|₁ one near |f|₁ keeps the loss near that of `ce`
        alpha: f64 = 1000.0, above(0.0);
        /// ε that is added to the influence
        epsilon: f64 = 1e-3, above(0.0);
        /// whether no gradient flows through the influence
        detached: bool = false, flag();
    }
}

pub(super) static METHOD: Method = Method {
    name: "influence-balanced",
    aliases: &["ib", "ib-loss"],
    title: "IB",
    idea: "Divides the loss of a sample by its influence on the weights, |p − 1_y|₁ |f|₁, so that samples of head classes that overlap others do not bend the boundary; classes weigh 1/n besides. The released code lets the gradient flow through the influence, which all but silences sure samples: `detached` does not.",
    formula: "v_y · (−log p_y) · α / (2 (1 − p_y) |f|₁ + ε), v_k ∝ 1/n_k scaled to sum C, mean over the batch",
    source: "Park et al. 2021 (ICCV), Eq. 9–11; α 1000 of their scripts, ε 1e-3 of their code; it starts from the stage-1 head, as theirs from half of the training by cross-entropy",
    reduces_to: "class-weighted `ce` in batch mean where α = ε grows without bound",
    neutral: None,
    training: Training::Sgd,
    own: &InfluenceBalanced::DEFAULT,
    published: published!(reduction = Reduction::BatchMean),
    grid: "alpha = [10, 100, 1000]\ndetached = [false, true]\nlr = [5e-4, 5e-3]",
};

impl Build for InfluenceBalanced {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::sgd(Loss {
            family: Family::InfluenceBalanced,
            weight: inverse_prior_weights(class_counts, 1.0),
            influence: Some(Influence {
                alpha: self.alpha,
                epsilon: self.epsilon,
                gradient: if self.detached { 0.0 } else { 1.0 },
            }),
            ..Loss::cross_entropy(class_counts.classes())
        })
    }
}
