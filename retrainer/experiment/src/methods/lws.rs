//! Learnable weight scaling: one factor for each class of the fixed stage-1 head.

use super::{Build, Method, SamplerKind, Training, ce, params, published};
use crate::spec::{Classifier, HeadSpec, Loss, Recipe};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `lws`.
    struct Lws {}
}

pub(super) static METHOD: Method = Method {
    name: "lws",
    aliases: &["learnable-weight-scaling"],
    title: "LWS",
    idea: "Keeps the stage-1 directions and learns only a factor for each class, which scales weight and bias alike. Trained on stage-1 logits, which are computed once.",
    formula: "s_k z_k, z_k = w_k·f + b_k (s cos(w_k, f) for a cosine stage-1 head), s starts at 1",
    source: "Kang et al. 2020 (ICLR), §4; bias, class-aware sampler, learning rate, batch size and decay of their ImageNet-LT code",
    reduces_to: "`stage1` at s = 1",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Lws::DEFAULT,
    // The learning rate goes with the batch: by the linear rule it is 0.025 at batches of 64.
    published: published!(
        sampler = SamplerKind::ClassAware,
        lr = 0.2,
        weight_decay = 5e-4,
        epochs = 5,
        batch_size = 512
    ),
    grid: "sampler = [\"instance-balanced\", \"class-aware\"]\nlr = [2e-3, 2e-2, 0.2]",
};

impl Build for Lws {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::recipe(Recipe {
            classifier: Classifier::Rescaled,
            ..Recipe::linear(Loss::cross_entropy(class_counts.classes()))
        })
    }
}
