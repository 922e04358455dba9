//! Post-hoc logit adjustment: the class prior taken off the logits.

use super::{Build, Method, Training, logit_adjusted_loss::prior_offset, params, range::within, stage1};
use crate::spec::{HeadSpec, PostHoc};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `logit-adjustment`.
    struct LogitAdjustment {
        /// strength τ of the adjustment
        tau: f64 = 1.0, within(0.0, 10.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "logit-adjustment",
    aliases: &["la"],
    title: "Logit Adjustment",
    idea: "Subtracts the log prior from the stage-1 logits, which at τ = 1 is Bayes-optimal for balanced test data.",
    formula: "z_k − τ log π_k",
    source: "Menon et al. 2021 (ICLR), Eq. 9",
    reduces_to: "`stage1` at τ = 0 or equal class counts",
    neutral: Some(&stage1::METHOD),
    training: Training::PostHoc,
    own: &LogitAdjustment::DEFAULT,
    published: &[],
    grid: "tau = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2]",
};

impl Build for LogitAdjustment {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let offset = prior_offset(class_counts, -self.tau);
        HeadSpec::post_hoc(PostHoc { offset, ..PostHoc::identity(class_counts.classes()) })
    }
}
