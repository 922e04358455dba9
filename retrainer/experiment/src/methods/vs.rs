//! Vector-scaling loss: logits divided and shifted by class size during training.

use super::{
    Build, Method, Training, cdt::size_scale, ce, logit_adjusted_loss::prior_offset, params, range::within,
};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `vs`.
    struct Vs {
        /// exponent γ of the multiplicative adjustment
        gamma: f64 = 0.3, within(0.0, 4.0), neutral 0.0;
        /// strength τ of the additive adjustment
        tau: f64 = 1.0, within(0.0, 10.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "vs",
    aliases: &["vector-scaling"],
    title: "VS",
    idea: "Joins a multiplicative adjustment, which still acts when training separates the classes, with the additive one of the logit-adjusted loss. Both act in training only.",
    formula: "z_k/D_k + τ log π_k, D_k = (n_max/n_k)^γ",
    source: "Kini et al. 2021 (NeurIPS), Eq. 2; CIFAR100-LT γ 0.3, τ 1 by their code's defaults",
    reduces_to: "`logit-adjusted-loss` at γ = 0, `cdt` at τ = 0, `ce` at both",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Vs::DEFAULT,
    published: &[],
    grid: "gamma = [0.05, 0.15, 0.3]\ntau = [0.75, 1, 1.25]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for Vs {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::sgd(Loss {
            scale: size_scale(class_counts, self.gamma),
            offset: prior_offset(class_counts, self.tau),
            ..Loss::cross_entropy(class_counts.classes())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{Params, Value};
    use cache::ClassCounts;

    #[test]
    fn without_the_factor_it_is_the_logit_adjusted_loss() {
        let counts = ClassCounts::new(vec![100, 50, 2]).unwrap();
        let la = Method::find("logit-adjusted-loss").unwrap();
        let tau = ("tau", Value::Number(1.5));
        let vs = Params::resolve(&METHOD, &[("gamma", Value::Number(0.0)), tau.clone()]).unwrap();
        let (vs, la) = (vs.build(&counts), Params::resolve(la, &[tau]).unwrap().build(&counts));
        assert_eq!(vs, la);
        assert!(vs.trained().is_some());
    }
}
