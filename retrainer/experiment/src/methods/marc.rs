//! MARC: a scale and a margin for each class of the fixed stage-1 logits.

use super::{Build, Method, Training, ce, grw::inverse_prior_weights, params, published, range::within};
use crate::spec::{Classifier, HeadSpec, Loss, Recipe};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `marc`.
    struct Marc {
        /// exponent ρ of the inverse prior in the class weights
        rho: f64 = 1.2, within(0.0, 4.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "marc",
    aliases: &["margin-calibration"],
    title: "MARC",
    idea: "Calibrates the margins of the fixed stage-1 head by two numbers a class: a factor of its logit, and a share of the length of its weight vector that is added. Trained on stage-1 logits, which are computed once; `lws` under the same class weights shows what the second number brings.",
    formula: "a_k (w_k·f + b_k) + c_k |w_k|, a = 1 and c = 0 at the start; weights π_y^{−ρ} scaled to sum C",
    source: "Wang et al. 2022 (ACML), Eq. 7; ImageNet-LT of their code: ρ 1.2, learning rate 0.05, decay 5e-4, batch 256, 10 epochs",
    reduces_to: "`stage1` before the first step; its loss at rho = 0 is that of `ce`",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Marc::DEFAULT,
    published: published!(lr = 0.05, weight_decay = 5e-4, epochs = 10, batch_size = 256),
    grid: "rho = [0.8, 1, 1.2]\nlr = [5e-3, 5e-2, 0.5]",
};

impl Build for Marc {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let weight = inverse_prior_weights(class_counts, self.rho);
        HeadSpec::recipe(Recipe {
            classifier: Classifier::MarginCalibrated,
            ..Recipe::linear(Loss { weight, ..Loss::cross_entropy(class_counts.classes()) })
        })
    }
}
