//! Cross-entropy: the neutral point of every other loss.

use super::{Build, Method, Training, params};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `ce`.
    struct Ce {}
}

pub(super) static METHOD: Method = Method {
    name: "ce",
    aliases: &["cross-entropy"],
    title: "CE",
    idea: "Re-trains the classifier with plain cross-entropy; from the stage-1 head this should change next to nothing, which makes it the sanity check of a cache.",
    formula: "−log softmax(z)_y",
    source: "LORT, Table 3 `CE`",
    reduces_to: "itself",
    neutral: None,
    training: Training::Sgd,
    own: &Ce::DEFAULT,
    published: &[],
    grid: "lr = [5e-4, 5e-3, 5e-2]",
};

impl Build for Ce {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::sgd(Loss::cross_entropy(class_counts.classes()))
    }
}
