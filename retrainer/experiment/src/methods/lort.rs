//! LORT: logits retargeting by label over-smoothing, the paper's method.

use super::{Build, Method, Training, ce, label_smoothing::smoothed, params, range::within};
use crate::spec::HeadSpec;
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `lort`.
    struct Lort {
        /// label-smooth value δ
        delta: f64 = 0.98, within(0.0, 1.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "lort",
    aliases: &["los"],
    title: "LORT",
    idea: "Spreads nearly the whole target over all classes: positive logits get a small, equal target and negative ones another, so that no class's logits grow with its size.",
    formula: "t_y = 1 − δ + δ/C, t_k = δ/C with δ → 1",
    source: "LORT, Eq. 13; ICLR 2025 as `Label Over-Smooth` (LOS); published δ 0.98 for CIFAR100-LT",
    reduces_to: "`ce` at δ = 0, `label-smoothing` at δ = 0.1",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Lort::DEFAULT,
    published: &[],
    grid: "delta = [0.5, 0.8, 0.9, 0.95, 0.98, 0.99]\nlr = [1e-4, 5e-4, 5e-3, 5e-2]",
};

impl Build for Lort {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        smoothed(class_counts, self.delta)
    }
}
