//! The stage-1 head as it is.

use super::{Method, Training};
use crate::head::{HeadSpec, PostHoc};

pub(super) static METHOD: Method = Method {
    name: "stage1",
    aliases: &["vanilla-fc"],
    title: "Vanilla FC",
    idea: "The classifier of joint training, unchanged: what every other method must improve on.",
    formula: "w_k·f + b_k; s cos(w_k, f) for a cosine stage-1 head",
    source: "LORT, Table 1 `Vanilla FC`",
    reduces_to: "itself",
    training: Training::PostHoc,
    params: &[],
    sgd_defaults: &[],
    grid: "",
    build: |class_counts, _| HeadSpec::post_hoc(PostHoc::identity(class_counts.classes())),
};
