//! AREA: class weights by the area that a class's features span.

use super::{Build, Method, Training, ce, params};
use crate::spec::{HeadSpec, Loss, Recipe};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `area`.
    struct Area {}
}

pub(super) static METHOD: Method = Method {
    name: "area",
    aliases: &[],
    title: "AREA",
    idea: "Weighs classes by the inverse effective area of their features instead of their number: samples that point the same way count once.",
    formula: "(−log p_y)/A_y, A_k = Σ over mini-batches of 1/(aᵀR a), a = 1/m, R the cosines between the m centred features of class k in the batch, 1 where m = 1; weights scaled to sum C",
    source: "Chen et al. 2023 (ICCV), in the form of their code, where features of augmented images are read and areas renewed each epoch of the last fifth: here of the clean view, once, over the batches of the first epoch; no batch's area is above n_k",
    reduces_to: "weights ∝ 1/n_k in batches of one",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Area::DEFAULT,
    published: &[],
    grid: "lr = [5e-4, 5e-3, 5e-2]",
};

impl Build for Area {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::recipe(Recipe {
            area_weights: true,
            ..Recipe::linear(Loss::cross_entropy(class_counts.classes()))
        })
    }
}
