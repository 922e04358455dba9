//! Re-sampling: cross-entropy on a stream that shows small classes more often.

use super::{Build, Method, SamplerKind, Training, ce, params, published};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `re-sampling`.
    struct ReSampling {}
}

pub(super) static METHOD: Method = Method {
    name: "re-sampling",
    aliases: &["resampling"],
    title: "Re-Sampling",
    idea: "Draws classes with probability ∝ n^q and then one of the class's samples, N draws with replacement an epoch. The loss stays cross-entropy.",
    formula: "−log p_y, P(class k) ∝ n_k^q",
    source: "Kang et al. 2020 (ICLR), Eq. 1; LORT's Table 1 repeats the digits of Vanilla FC in this row",
    reduces_to: "`ce` with draws with replacement at q = 1, class-balanced sampling at q = 0",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &ReSampling::DEFAULT,
    published: published!(sampler = SamplerKind::Power, q = 0.0),
    grid: "q = [0, 0.5]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for ReSampling {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::sgd(Loss::cross_entropy(class_counts.classes()))
    }
}
