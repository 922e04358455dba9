//! τ-normalisation: weight vectors divided by a power of their norm.

use super::{
    Build, Method, Training, params,
    range::{flag, within},
    stage1,
};
use crate::spec::{HeadSpec, PostHoc};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `tau-norm`.
    struct TauNorm {
        /// exponent τ of the weight norm
        tau: f64 = 1.0, within(0.0, 4.0), neutral 0.0;
        /// keep the stage-1 bias (LTWB) or drop it (Kang)
        keep_bias: bool = true, flag(), neutral true;
    }
}

pub(super) static METHOD: Method = Method {
    name: "tau-norm",
    aliases: &[],
    title: "τ-norm",
    idea: "Head classes have longer weight vectors; dividing by a power of the length evens this out without training.",
    formula: "w_k/|w_k|^τ · f (+ b_k)",
    source: "Kang et al. 2020 (ICLR), Eq. 4; the bias is dropped there and kept in LTWB's code",
    reduces_to: "`stage1` at τ = 0 with the bias kept, and for a cosine stage-1 head, whose rows are of one length",
    neutral: Some(&stage1::METHOD),
    training: Training::PostHoc,
    own: &TauNorm::DEFAULT,
    published: &[],
    grid: "tau = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2]",
};

impl Build for TauNorm {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::post_hoc(PostHoc {
            norm_power: self.tau,
            keep_bias: self.keep_bias,
            ..PostHoc::identity(class_counts.classes())
        })
    }
}
