//! Learnable weight scaling: one factor for each class of the fixed stage-1 head.

use super::{Method, Training, Value};
use crate::head::{Classifier, HeadSpec, Loss, Recipe};

pub(super) static METHOD: Method = Method {
    name: "lws",
    aliases: &["learnable-weight-scaling"],
    title: "LWS",
    idea: "Keeps the stage-1 directions and learns only a factor for each class, which scales weight and bias alike. Trained on stage-1 logits, which are computed once.",
    formula: "s_k z_k, z_k = w_k·f + b_k (s cos(w_k, f) for a cosine stage-1 head), s starts at 1",
    source: "Kang et al. 2020 (ICLR), §4; bias, class-aware sampler, learning rate, batch size and decay of their ImageNet-LT code",
    reduces_to: "`stage1` at s = 1",
    training: Training::Sgd,
    params: &[],
    sgd_defaults: &[
        ("sampler", Value::Choice("class-aware")),
        ("lr", Value::Number(0.2)),
        ("weight_decay", Value::Number(5e-4)),
        ("epochs", Value::Number(5.0)),
        // The learning rate goes with the batch: by the linear rule it is 0.025 at batches of 64.
        ("batch_size", Value::Number(512.0)),
    ],
    grid: "sampler = [\"instance-balanced\", \"class-aware\"]\nlr = [2e-3, 2e-2, 0.2]",
    build: |class_counts, _| {
        HeadSpec::recipe(Recipe {
            classifier: Classifier::Rescaled,
            ..Recipe::linear(Loss::cross_entropy(class_counts.classes()))
        })
    },
};
