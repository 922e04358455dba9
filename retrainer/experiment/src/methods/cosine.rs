//! Cosine classifier: directions alone decide.

use super::{Kind, Method, Param, Training, Value};
use crate::head::{Classifier, HeadSpec, Loss, Recipe};

pub(super) static METHOD: Method = Method {
    name: "cosine",
    aliases: &["vanilla-cosine"],
    title: "Vanilla Cosine",
    idea: "Compares directions of features and weight vectors, so that no class wins by the length of its weights. Starts at the directions of the stage-1 weights and has no bias.",
    formula: "s · (w_k·f)/(|w_k||f|)",
    source: "LORT, Table 1 `Vanilla Cosine`; scale 16 as in the code of Wu et al. 2021 (RoBal)",
    reduces_to: "the angles of `stage1` before the first step",
    training: Training::Sgd,
    params: &[Param {
        name: "scale",
        kind: Kind::Above { min: 0.0 },
        default: Value::Number(16.0),
        help: "scale s of the cosines",
    }],
    sgd_defaults: &[],
    grid: "scale = [16, 30, 45]\nlr = [5e-4, 5e-3, 5e-2]",
    build: |class_counts, params| {
        HeadSpec::recipe(Recipe {
            classifier: Classifier::Cosine,
            cosine_scale: params.number("scale"),
            ..Recipe::linear(Loss::cross_entropy(class_counts.classes()))
        })
    },
};
