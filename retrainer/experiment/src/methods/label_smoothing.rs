//! Conventional label smoothing.

use super::{Build, Method, Training, ce, params, range::within};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `label-smoothing`.
    struct LabelSmoothing {
        /// share δ of the target that all classes get
        delta: f64 = 0.1, within(0.0, 1.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "label-smoothing",
    aliases: &["ls"],
    title: "Label Smoothing",
    idea: "Gives a small share of the target to all classes; LORT with the small δ that everybody uses.",
    formula: "t_y = 1 − δ + δ/C, t_k = δ/C",
    source: "Szegedy et al. 2016 (CVPR); PyTorch's `CrossEntropyLoss(label_smoothing=δ)`",
    reduces_to: "`ce` at δ = 0",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &LabelSmoothing::DEFAULT,
    published: &[],
    grid: "delta = [0.05, 0.1, 0.2]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for LabelSmoothing {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        smoothed(class_counts, self.delta)
    }
}

/// Cross-entropy to targets smoothed by δ.
pub(super) fn smoothed(class_counts: &ClassCounts, delta: f64) -> HeadSpec {
    let classes = class_counts.classes();
    HeadSpec::sgd(Loss { smoothing: vec![delta; classes], ..Loss::cross_entropy(classes) })
}
