//! GCL: noise on the cosines, the more the rarer the class, so that tail classes take more room.

use super::{
    Build, Method, SamplerKind, Training, ce, params, published,
    range::{above, flag, within},
};
use crate::spec::{Classifier, HeadSpec, Loss, Recipe};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `gcl`.
    struct Gcl {
        /// scale s of the cosines
        scale: f64 = 20.0, above(0.0);
        /// factor ν of the noise
        nu: f64 = 0.5, within(0.0, 10.0), neutral 0.0;
        /// margin m that is taken off the cosine of the true class
        margin: f64 = 0.1, within(0.0, 2.0), neutral 0.0;
        /// exponent γ of the focal factor
        gamma: f64 = 1.0, within(0.0, 10.0), neutral 0.0;
        /// whether no gradient flows through the focal factor
        detached: bool = true, flag(), neutral false;
    }
}

pub(super) static METHOD: Method = Method {
    name: "gcl",
    aliases: &["gaussian-clouded-logits"],
    title: "GCL",
    idea: "Takes random amounts off the cosines in training, on average the more the rarer the class, so that tail classes keep a distance from others. In expectation nearly a logit-adjusted loss with τ = 0.2657 s ν / ln(n_max/n_min).",
    formula: "s (cos(w_k, f) − ν δ_k min(|ε|, 1) − m 1_{k=y}), ε ~ N(0, 1/3) for each sample, class and step, δ_k = ln(n_max/n_k)/ln(n_max/n_min); weight (1 − p_y)^γ; s cos(w_k, f) at test time",
    source: "Li et al. 2022 (CVPR), Eq. 9–11; stage 2 of their code for CIFAR: s 20, m 0.1, ν 0.5, focal γ 1 without its gradient, class-balanced draws, learning rate 0.002 falling to 0, 30 epochs",
    reduces_to: "`cosine` at nu = margin = gamma = 0",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Gcl::DEFAULT,
    published: published!(sampler = SamplerKind::Power, lr = 0.002, weight_decay = 2e-4, epochs = 30),
    grid: "nu = [0.25, 0.5, 1]\nlr = [5e-4, 2e-3, 2e-2]",
};

impl Build for Gcl {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let classes = class_counts.classes();
        let noise = log_ratios(class_counts).into_iter().map(|ratio| self.scale * self.nu * ratio).collect();
        HeadSpec::recipe(Recipe {
            classifier: Classifier::Cosine,
            cosine_scale: self.scale,
            ..Recipe::linear(Loss {
                noise,
                margin: vec![self.scale * self.margin; classes],
                focal: self.gamma,
                focal_gradient: if self.detached { 0.0 } else { 1.0 },
                ..Loss::cross_entropy(classes)
            })
        })
    }
}

/// `δ_k = ln(n_max/n_k) / ln(n_max/n_min)` over classes with samples; 1 for one without, 0 for all where all are of one size.
fn log_ratios(class_counts: &ClassCounts) -> Vec<f64> {
    let counts = class_counts.counts();
    let most = counts.iter().copied().max().unwrap_or(1) as f64;
    let least = counts.iter().copied().filter(|&n| n > 0).min().unwrap_or(1) as f64;
    let range = (most / least).ln();
    let ratio = |&n: &u64| match n {
        0 => 1.0,
        _ if range > 0.0 => (most / n as f64).ln() / range,
        _ => 0.0,
    };
    counts.iter().map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::testing::close;

    #[test]
    fn noise_grows_with_the_logarithm_of_rarity() {
        // np.log(n.max() / n) / np.log(n.max() / n.min()) of n = [100, 20, 2] in float64.
        let ratios = |counts: &[u64]| log_ratios(&ClassCounts::new(counts.to_vec()).unwrap());
        close(ratios(&[100, 20, 2]).try_into().unwrap(), [0.0, 0.411_408_09, 1.0], 1e-8);
        assert_eq!(ratios(&[7, 7]), [0.0, 0.0]);
        assert_eq!(ratios(&[7, 7, 0]), [0.0, 0.0, 1.0]);
        assert_eq!(ratios(&[8, 2, 0]), [0.0, 1.0, 1.0]);
    }
}
