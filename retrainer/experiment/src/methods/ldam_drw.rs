//! LDAM with deferred re-weighting.

use super::{
    Build, Method, Training,
    ldam::{self, recipe},
    params,
    range::{above, within},
};
use crate::spec::{HeadSpec, Recipe};
use cache::ClassCounts;
use longtail::effective_number_weights;

params! {
    /// Hyper-parameters of `ldam-drw`.
    struct LdamDrw {
        /// margin of the smallest class, as a difference of cosines
        max_margin: f64 = 0.5, within(0.0, 2.0), neutral 0.0;
        /// scale s of cosines and margins
        scale: f64 = 30.0, above(0.0);
        /// overlap β of the class weights; 1 means weights ∝ 1/n_k
        beta: f64 = 0.9999, within(0.0, 1.0), neutral 0.0;
        /// fraction of the epochs after which class weights apply
        drw_start: f64 = 0.8, within(0.0, 1.0), neutral 1.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "ldam-drw",
    aliases: &[],
    title: "LDAM-DRW",
    idea: "Trains with margins alone at first and weighs classes by their inverse effective numbers in the last epochs, when it no longer disturbs.",
    formula: "as `ldam`; from epoch drw_start · E on times (1 − β)/(1 − β^n_y), weights scaled to sum C",
    source: "Cao et al. 2019 (NeurIPS), Algorithm 1; epoch 160 of 200, β 0.9999. Their drops of the learning rate are not copied: `schedule` decides",
    reduces_to: "`ldam` at drw_start = 1 or β = 0",
    neutral: Some(&ldam::METHOD),
    training: Training::Sgd,
    own: &LdamDrw::DEFAULT,
    published: &[],
    grid: "max_margin = [0.3, 0.5]\nlr = [5e-4, 5e-3, 5e-2, 0.5]",
};

impl Build for LdamDrw {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let mut recipe =
            Recipe { weight_from: self.drw_start, ..recipe(class_counts, self.max_margin, self.scale) };
        recipe.loss.weight = effective_number_weights(class_counts.counts(), self.beta);
        HeadSpec::recipe(recipe)
    }
}
