//! Class-balanced binary cross-entropy on sigmoids.

use super::{Build, Method, Reduction, Training, params, published, range::within};
use crate::spec::{Family, HeadSpec, Loss, Recipe};
use cache::ClassCounts;
use longtail::effective_number_weights;

params! {
    /// Hyper-parameters of `cb-bce-sigmoid`.
    struct CbBceSigmoid {
        /// overlap β; 1 means weights ∝ 1/n_k
        beta: f64 = 0.9999, within(0.0, 1.0), neutral 0.0;
        /// focusing exponent γ of each class's answer
        gamma: f64 = 0.0, within(0.0, 10.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "cb-bce-sigmoid",
    aliases: &[],
    title: "CB-BCE (sigmoid)",
    idea: "Asks of each class alone whether a sample belongs to it, and weighs samples by the inverse effective number of their class. With γ > 0 each answer has a focal factor.",
    formula: "(1 − β)/(1 − β^n_y) · Σ_k (1 − p_{t,k})^γ (−log p_{t,k}), p_{t,y} = σ(z_y), p_{t,k} = 1 − σ(z_k); weights scaled to sum C",
    source: "Cui et al. 2019 (CVPR), Eq. 9 and 10; as their code: divided by the batch size, the bias free of decay, and −log(C − 1) in a fresh head",
    reduces_to: "binary cross-entropy at β = 0 and γ = 0",
    neutral: None,
    training: Training::Sgd,
    own: &CbBceSigmoid::DEFAULT,
    published: published!(reduction = Reduction::BatchMean, decay_bias = false),
    grid: "beta = [0.999, 0.9999]\ngamma = [0, 0.5, 1]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for CbBceSigmoid {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let classes = class_counts.classes();
        let loss = Loss {
            family: Family::SigmoidBce,
            weight: effective_number_weights(class_counts.counts(), self.beta),
            focal: self.gamma,
            ..Loss::cross_entropy(classes)
        };
        // Every class starts at the probability 1/C; one class alone would start at infinity.
        let bias = -(classes.saturating_sub(1).max(1) as f64).ln();
        HeadSpec::recipe(Recipe { fresh_bias: Some(bias), ..Recipe::linear(loss) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{Params, Reduction};
    use cache::ClassCounts;

    #[test]
    fn follows_the_official_code_in_bias_decay_and_reduction() {
        let params = Params::resolve(&METHOD, &[]).unwrap();
        let spec = params.build(&ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap());
        assert_eq!(spec.trained().unwrap().fresh_bias, Some(-(4.0_f64.ln())));
        let settings = params.sgd().unwrap();
        assert!(!settings.decay_bias);
        assert_eq!(settings.reduction, Reduction::BatchMean);
    }
}
