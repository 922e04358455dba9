//! Conventional label smoothing.

use super::{Kind, Method, Param, Training, Value};
use crate::head::{HeadSpec, Loss};
use cache::ClassCounts;

pub(super) static METHOD: Method = Method {
    name: "label-smoothing",
    aliases: &["ls"],
    title: "Label Smoothing",
    idea: "Gives a small share of the target to all classes; LORT with the small δ that everybody uses.",
    formula: "t_y = 1 − δ + δ/C, t_k = δ/C",
    source: "Szegedy et al. 2016 (CVPR); PyTorch's `CrossEntropyLoss(label_smoothing=δ)`",
    reduces_to: "`ce` at δ = 0",
    training: Training::Sgd,
    params: &[Param {
        name: "delta",
        kind: Kind::Number { min: 0.0, max: 1.0 },
        default: Value::Number(0.1),
        help: "share δ of the target that all classes get",
    }],
    sgd_defaults: &[],
    grid: "delta = [0.05, 0.1, 0.2]\nlr = [5e-4, 5e-3, 5e-2]",
    build: |class_counts, params| smoothed(class_counts, params.number("delta")),
};

/// Cross-entropy to targets smoothed by δ.
pub(super) fn smoothed(class_counts: &ClassCounts, delta: f64) -> HeadSpec {
    let classes = class_counts.classes();
    HeadSpec::sgd(Loss { smoothing: vec![delta; classes], ..Loss::cross_entropy(classes) })
}
