//! MaxNorm: cross-entropy under a bound on the length of weight vectors.

use super::{
    Build, Method, Training, ce, params,
    range::{choice, choices, within},
};
use crate::spec::{self, HeadSpec, Loss, ProjectEvery, Recipe};
use cache::ClassCounts;

choices!(ProjectEvery { Epoch = "epoch", Step = "step" });

params! {
    /// Hyper-parameters of `max-norm`.
    struct MaxNorm {
        /// where the bound lies between shortest (0) and longest (1) weight vector of the stage-1 head; inf for none
        threshold: f64 = 0.1, within(0.0, f64::INFINITY), neutral f64::INFINITY;
        /// when weights are projected: after each epoch (LTWB's code) or step (LTWB's paper)
        project_every: ProjectEvery = ProjectEvery::Epoch, choice();
    }
}

pub(super) static METHOD: Method = Method {
    name: "max-norm",
    aliases: &["maxnorm"],
    title: "MaxNorm",
    idea: "Bounds the length of every class's weight vector, so that head classes cannot win by length. One bound for all classes lies between the shortest and the longest vector of the stage-1 head.",
    formula: "w_k ← min(1, δ/|w_k|) w_k, δ = min|w| + threshold (max|w| − min|w|) of the stage-1 head; the bias is free",
    source: "Alshammari et al. 2022 (CVPR, LTWB), Eq. 5; their code projects once an epoch, the paper after each step",
    reduces_to: "`ce` at threshold = ∞",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &MaxNorm::DEFAULT,
    published: &[],
    grid: "threshold = [0, 0.1, 0.3]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for MaxNorm {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let loss = Loss::cross_entropy(class_counts.classes());
        HeadSpec::recipe(Recipe {
            max_norm: Some(spec::MaxNorm { threshold: self.threshold, every: self.project_every }),
            ..Recipe::linear(loss)
        })
    }
}
