//! MaxNorm: cross-entropy under a bound on the length of weight vectors.

use super::{Kind, Method, Param, Params, Training, Value};
use crate::head::{HeadSpec, Loss, MaxNorm, ProjectEvery, Recipe};

pub(super) static METHOD: Method = Method {
    name: "max-norm",
    aliases: &["maxnorm"],
    title: "MaxNorm",
    idea: "Bounds the length of every class's weight vector, so that head classes cannot win by length. One bound for all classes lies between the shortest and the longest vector of the stage-1 head.",
    formula: "w_k ← min(1, δ/|w_k|) w_k, δ = min|w| + threshold (max|w| − min|w|) of the stage-1 head; the bias is free",
    source: "Alshammari et al. 2022 (CVPR, LTWB), Eq. 5; their code projects once an epoch, the paper after each step",
    reduces_to: "`ce` at threshold = ∞",
    training: Training::Sgd,
    params: &[THRESHOLD, PROJECT_EVERY],
    sgd_defaults: &[],
    grid: "threshold = [0, 0.1, 0.3]\nlr = [5e-4, 5e-3, 5e-2]",
    build: |class_counts, params| {
        let loss = Loss::cross_entropy(class_counts.classes());
        HeadSpec::recipe(Recipe { max_norm: Some(max_norm(params)), ..Recipe::linear(loss) })
    },
};

pub(super) const THRESHOLD: Param = Param {
    name: "threshold",
    kind: Kind::Number { min: 0.0, max: f64::INFINITY },
    default: Value::Number(0.1),
    help: "where the bound lies between shortest (0) and longest (1) weight vector of the stage-1 head; inf for none",
};

pub(super) const PROJECT_EVERY: Param = Param {
    name: "project_every",
    kind: Kind::Choice(&["epoch", "step"]),
    default: Value::Choice("epoch"),
    help: "when weights are projected: after each epoch (LTWB's code) or step (LTWB's paper)",
};

/// The constraint of checked parameters.
pub(super) fn max_norm(params: &Params) -> MaxNorm {
    let every =
        if params.choice("project_every") == "step" { ProjectEvery::Step } else { ProjectEvery::Epoch };
    MaxNorm { threshold: params.number("threshold"), every }
}
