//! DisAlign: a calibration of the fixed stage-1 logits that is as strong as a sample is confident.

use super::{Build, Method, Training, ce, grw::inverse_prior_weights, params, published, range::within};
use crate::spec::{Classifier, HeadSpec, Loss, Recipe};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `disalign`.
    struct Disalign {
        /// exponent ρ of the inverse prior in the class weights
        rho: f64 = 1.2, within(0.0, 4.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "disalign",
    aliases: &[],
    title: "DisAlign",
    idea: "Learns a scale and an offset for each class of the fixed stage-1 logits, and a confidence for each sample that says how much of them applies. The form is that of the released classification layer; the paper's and the segmentation head's interpolation differs.",
    formula: "(1 + σ a_k) z_k + σ d_k, σ = sigmoid(c·f + c₀); weights π_y^{−ρ} scaled to sum C; a = 1, d = 0, c = 0.1, c₀ = 0 at the start",
    source: "Zhang et al. 2021 (CVPR), Eq. 5–11; ImageNet-LT ρ 1.2, learning rate 0.1, decay 5e-4, batch 256, 10 epochs",
    reduces_to: "the ranking of `stage1` before the first step",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Disalign::DEFAULT,
    published: published!(lr = 0.1, weight_decay = 5e-4, epochs = 10, batch_size = 256),
    grid: "rho = [0.8, 1, 1.2]\nlr = [1e-3, 1e-2, 0.1]",
};

impl Build for Disalign {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let weight = inverse_prior_weights(class_counts, self.rho);
        HeadSpec::recipe(Recipe {
            classifier: Classifier::Aligned,
            ..Recipe::linear(Loss { weight, ..Loss::cross_entropy(class_counts.classes()) })
        })
    }
}
