//! LDAM with deferred re-weighting.

use super::{
    Kind, Method, Param, Training, Value,
    cb_ce::effective_number_weights,
    ldam::{MAX_MARGIN, SCALE, recipe},
};
use crate::head::{HeadSpec, Recipe};

pub(super) static METHOD: Method = Method {
    name: "ldam-drw",
    aliases: &[],
    title: "LDAM-DRW",
    idea: "Trains with margins alone at first and weighs classes by their inverse effective numbers in the last epochs, when it no longer disturbs.",
    formula: "as `ldam`; from epoch drw_start · E on times (1 − β)/(1 − β^n_y), weights scaled to sum C",
    source: "Cao et al. 2019 (NeurIPS), Algorithm 1; epoch 160 of 200, β 0.9999. Their drops of the learning rate are not copied: `schedule` decides",
    reduces_to: "`ldam` at drw_start = 1 or β = 0",
    training: Training::Sgd,
    params: &[
        MAX_MARGIN,
        SCALE,
        Param {
            name: "beta",
            kind: Kind::Number { min: 0.0, max: 1.0 },
            default: Value::Number(0.9999),
            help: "overlap β of the class weights; 1 means weights ∝ 1/n_k",
        },
        Param {
            name: "drw_start",
            kind: Kind::Number { min: 0.0, max: 1.0 },
            default: Value::Number(0.8),
            help: "fraction of the epochs after which class weights apply",
        },
    ],
    sgd_defaults: &[],
    grid: "max_margin = [0.3, 0.5]\nlr = [5e-4, 5e-3, 5e-2, 0.5]",
    build: |class_counts, params| {
        let mut recipe = Recipe { weight_from: params.number("drw_start"), ..recipe(class_counts, params) };
        recipe.loss.weight = effective_number_weights(class_counts, params.number("beta"));
        HeadSpec::recipe(recipe)
    },
};
