//! The head of LIFT: a cosine classifier at the class means, trained with a logit-adjusted loss.

use super::{
    Build, Init, Method, Training, ce,
    logit_adjusted_loss::prior_offset,
    params, published,
    range::{above, within},
};
use crate::spec::{Classifier, HeadSpec, Loss, Recipe};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `lift`.
    struct Lift {
        /// scale s of the cosines
        scale: f64 = 25.0, above(0.0);
        /// strength τ of the adjustment
        tau: f64 = 1.0, within(0.0, 10.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "lift",
    aliases: &[],
    title: "LIFT head",
    idea: "A cosine classifier that starts at the directions of the class means and learns with τ log prior added to its logits; the plain cosines decide at test time. What is left of LIFT where the backbone is frozen.",
    formula: "s · (w_k·f)/(|w_k||f|) + τ log π_k in training, without the prior at test time",
    source: "Shi et al. 2024 (ICML, Long-Tail Learning with Foundation Model), their code: scale 25, learning rate 0.01, decay 5e-4, batch 128, 10 epochs",
    reduces_to: "`cosine` from the class means at τ = 0",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Lift::DEFAULT,
    published: published!(
        lr = 0.01,
        weight_decay = 5e-4,
        batch_size = 128,
        epochs = 10,
        init = Init::ClassMean
    ),
    grid: "scale = [15, 25, 35]\nlr = [1e-3, 1e-2, 0.1]",
};

impl Build for Lift {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let offset = prior_offset(class_counts, self.tau);
        HeadSpec::recipe(Recipe {
            classifier: Classifier::Cosine,
            cosine_scale: self.scale,
            ..Recipe::linear(Loss { offset, ..Loss::cross_entropy(class_counts.classes()) })
        })
    }
}
