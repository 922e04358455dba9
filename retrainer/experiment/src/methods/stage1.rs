//! The stage-1 head as it is.

use super::{Build, Method, Training, params};
use crate::spec::{HeadSpec, PostHoc};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `stage1`.
    struct Stage1 {}
}

pub(super) static METHOD: Method = Method {
    name: "stage1",
    aliases: &["vanilla-fc"],
    title: "Vanilla FC",
    idea: "The classifier of joint training, unchanged: what every other method must improve on.",
    formula: "w_k·f + b_k; s cos(w_k, f) for a cosine stage-1 head",
    source: "LORT, Table 1 `Vanilla FC`",
    reduces_to: "itself",
    neutral: None,
    training: Training::PostHoc,
    own: &Stage1::DEFAULT,
    published: &[],
    grid: "",
};

impl Build for Stage1 {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::post_hoc(PostHoc::identity(class_counts.classes()))
    }
}
