//! Focal loss in its softmax form.

use super::{Build, Method, Training, ce, params, range::within};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `focal`.
    struct Focal {
        /// focusing exponent γ
        gamma: f64 = 2.0, within(0.0, 10.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "focal",
    aliases: &[],
    title: "Focal",
    idea: "Weighs each sample by how wrong its prediction still is; the gradient flows through the weight too.",
    formula: "(1 − p_y)^γ · (−log p_y)",
    source: "Lin et al. 2017 (ICCV), Eq. 4, on softmax probabilities as LDAM-DRW's code",
    reduces_to: "`ce` at γ = 0",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Focal::DEFAULT,
    published: &[],
    grid: "gamma = [0.5, 1, 2, 3]\nlr = [5e-4, 5e-3, 5e-2, 0.2]",
};

impl Build for Focal {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::sgd(Loss { focal: self.gamma, ..Loss::cross_entropy(class_counts.classes()) })
    }
}
