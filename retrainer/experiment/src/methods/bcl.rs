//! The head of BCL: a cosine classifier with logit adjustment.

use super::{
    Build, Method, Training, ce,
    logit_adjusted_loss::prior_offset,
    params,
    range::{above, within},
};
use crate::spec::{Classifier, HeadSpec, Loss, Recipe};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `bcl`.
    struct Bcl {
        /// scale s of the cosines
        scale: f64 = 30.0, above(0.0);
        /// factor τ of the log prior
        tau: f64 = 1.0, within(-10.0, 10.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "bcl",
    aliases: &[],
    title: "BCL (head)",
    idea: "The head of the system alone: directions decide, and the log prior is added in training. Its contrast between views and class centres trains the backbone, of which frozen features have nothing left.",
    formula: "s cos(w_k, f) + τ log π_k in training, s cos(w_k, f) at test time",
    source: "Zhu et al. 2022 (CVPR), Eq. 11 without the contrastive loss; scale 30 and τ 1 of their code",
    reduces_to: "`cosine` at tau = 0",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Bcl::DEFAULT,
    published: &[],
    grid: "tau = [0.5, 1]\nscale = [16, 30]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for Bcl {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let offset = prior_offset(class_counts, self.tau);
        HeadSpec::recipe(Recipe {
            classifier: Classifier::Cosine,
            cosine_scale: self.scale,
            ..Recipe::linear(Loss { offset, ..Loss::cross_entropy(class_counts.classes()) })
        })
    }
}
