//! AREA: class weights by the area that a class's features span.

use super::{Method, Training};
use crate::head::{HeadSpec, Loss, Recipe};

pub(super) static METHOD: Method = Method {
    name: "area",
    aliases: &[],
    title: "AREA",
    idea: "Weighs classes by the inverse effective area of their features instead of their number: samples that point the same way count once.",
    formula: "(−log p_y)/A_y, A_k = min(n_k, 1/(aᵀR_k a)), a = 1/n_k, R_k the cosines between the class's centred features; weights scaled to sum C",
    source: "Chen et al. 2023 (ICCV). Their code sums areas over mini-batches and renews them each epoch; fixed features have the exact value, capped at n_k",
    reduces_to: "weights ∝ 1/n_k without correlation inside classes",
    training: Training::Sgd,
    params: &[],
    sgd_defaults: &[],
    grid: "lr = [5e-4, 5e-3, 5e-2]",
    build: |class_counts, _| {
        HeadSpec::recipe(Recipe {
            area_weights: true,
            ..Recipe::linear(Loss::cross_entropy(class_counts.classes()))
        })
    },
};
