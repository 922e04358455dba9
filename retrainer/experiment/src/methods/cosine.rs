//! Cosine classifier: directions alone decide.

use super::{Build, Method, Training, ce, params, range::above};
use crate::spec::{Classifier, HeadSpec, Loss, Recipe};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `cosine`.
    struct Cosine {
        /// scale s of the cosines
        scale: f64 = 16.0, above(0.0);
    }
}

pub(super) static METHOD: Method = Method {
    name: "cosine",
    aliases: &["vanilla-cosine"],
    title: "Vanilla Cosine",
    idea: "Compares directions of features and weight vectors, so that no class wins by the length of its weights. Starts at the directions of the stage-1 weights and has no bias.",
    formula: "s · (w_k·f)/(|w_k||f|)",
    source: "LORT, Table 1 `Vanilla Cosine`; scale 16 as in the code of Wu et al. 2021 (RoBal)",
    reduces_to: "the angles of `stage1` before the first step",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Cosine::DEFAULT,
    published: &[],
    grid: "scale = [16, 30, 45]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for Cosine {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::recipe(Recipe {
            classifier: Classifier::Cosine,
            cosine_scale: self.scale,
            ..Recipe::linear(Loss::cross_entropy(class_counts.classes()))
        })
    }
}
