//! Post-hoc logit adjustment: the class prior taken off the logits.

use super::{Kind, Method, Param, Training, Value, logit_adjusted_loss::prior_offset};
use crate::head::{HeadSpec, PostHoc};

pub(super) static METHOD: Method = Method {
    name: "logit-adjustment",
    aliases: &["la"],
    title: "Logit Adjustment",
    idea: "Subtracts the log prior from the stage-1 logits, which at τ = 1 is Bayes-optimal for balanced test data.",
    formula: "z_k − τ log π_k",
    source: "Menon et al. 2021 (ICLR), Eq. 9",
    reduces_to: "`stage1` at τ = 0 or equal class counts",
    training: Training::PostHoc,
    params: &[Param {
        name: "tau",
        kind: Kind::Number { min: 0.0, max: 10.0 },
        default: Value::Number(1.0),
        help: "strength τ of the adjustment",
    }],
    sgd_defaults: &[],
    grid: "tau = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2]",
    build: |class_counts, params| {
        let offset = prior_offset(class_counts, -params.number("tau"));
        HeadSpec::post_hoc(PostHoc { offset, ..PostHoc::identity(class_counts.classes()) })
    },
};
