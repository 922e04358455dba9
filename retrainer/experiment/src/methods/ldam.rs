//! LDAM: larger margins for smaller classes.

use super::{
    Build, Method, Training, cosine, params,
    range::{above, within},
};
use crate::spec::{Classifier, HeadSpec, Loss, Recipe};
use cache::ClassCounts;
use longtail::ldam_margins;

params! {
    /// Hyper-parameters of `ldam`.
    struct Ldam {
        /// margin of the smallest class, as a difference of cosines
        max_margin: f64 = 0.5, within(0.0, 2.0), neutral 0.0;
        /// scale s of cosines and margins
        scale: f64 = 30.0, above(0.0);
    }
}

pub(super) static METHOD: Method = Method {
    name: "ldam",
    aliases: &[],
    title: "LDAM",
    idea: "Demands a margin of the true class's cosine that grows as the class gets smaller, the optimal trade-off of a generalisation bound. Margin and cosine are scaled together.",
    formula: "s (cos(w_k, f) − Δ_y 1_{k=y}), Δ_k = max_margin · n_k^{−1/4} / max_j n_j^{−1/4}",
    source: "Cao et al. 2019 (NeurIPS), Eq. 13; max_margin 0.5, s 30",
    reduces_to: "`cosine` at max_margin = 0",
    neutral: Some(&cosine::METHOD),
    training: Training::Sgd,
    own: &Ldam::DEFAULT,
    published: &[],
    grid: "max_margin = [0.1, 0.3, 0.5]\nlr = [5e-4, 5e-3, 5e-2, 0.5]",
};

impl Build for Ldam {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::recipe(recipe(class_counts, self.max_margin, self.scale))
    }
}

/// A cosine classifier with margins.
pub(super) fn recipe(class_counts: &ClassCounts, max_margin: f64, scale: f64) -> Recipe {
    // The logits that the margin is taken off are scaled already, so it is too.
    let margin =
        ldam_margins(class_counts.counts(), max_margin).iter().map(|margin| scale * margin).collect();
    Recipe {
        classifier: Classifier::Cosine,
        cosine_scale: scale,
        ..Recipe::linear(Loss { margin, ..Loss::cross_entropy(class_counts.classes()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{
        Params,
        testing::{cifar100_lt, close, first_middle_last},
    };

    #[test]
    fn margins_of_cifar100_lt() {
        // m = n ** -0.25; m * 0.5 / m.max() at k = 0, 50, 99, in float64.
        close(
            first_middle_last(&ldam_margins(cifar100_lt().counts(), 0.5)),
            [0.158_113_88, 0.284_054_84, 0.5],
            1e-8,
        );
    }

    #[test]
    fn the_margin_is_scaled_with_the_cosine() {
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        let spec = Params::resolve(&METHOD, &[]).unwrap().build(&counts);
        let recipe = spec.trained().unwrap();
        let margins = [0.188_030_154_7, 0.223_606_797_7, 0.281_170_662_6, 0.334_370_152_5, 0.5];
        close(recipe.loss.margin.clone().try_into().unwrap(), margins.map(|margin| 30.0 * margin), 1e-9);
        assert_eq!(recipe.cosine_scale, 30.0);
    }
}
