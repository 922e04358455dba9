//! Vector-scaling loss: logits divided and shifted by class size during training.

use super::{Kind, Method, Param, Training, Value, cdt::size_scale, logit_adjusted_loss::prior_offset};
use crate::head::{HeadSpec, Loss};

pub(super) static METHOD: Method = Method {
    name: "vs",
    aliases: &["vector-scaling"],
    title: "VS",
    idea: "Joins a multiplicative adjustment, which still acts when training separates the classes, with the additive one of the logit-adjusted loss. Both act in training only.",
    formula: "z_k/D_k + τ log π_k, D_k = (n_max/n_k)^γ",
    source: "Kini et al. 2021 (NeurIPS), Eq. 2; CIFAR100-LT γ 0.3, τ 1 by their code's defaults",
    reduces_to: "`logit-adjusted-loss` at γ = 0, `cdt` at τ = 0, `ce` at both",
    training: Training::Sgd,
    params: &[
        Param {
            name: "gamma",
            kind: Kind::Number { min: 0.0, max: 4.0 },
            default: Value::Number(0.3),
            help: "exponent γ of the multiplicative adjustment",
        },
        Param {
            name: "tau",
            kind: Kind::Number { min: 0.0, max: 10.0 },
            default: Value::Number(1.0),
            help: "strength τ of the additive adjustment",
        },
    ],
    sgd_defaults: &[],
    grid: "gamma = [0.05, 0.15, 0.3]\ntau = [0.75, 1, 1.25]\nlr = [5e-4, 5e-3, 5e-2]",
    build: |class_counts, params| {
        HeadSpec::sgd(Loss {
            scale: size_scale(class_counts, params.number("gamma")),
            offset: prior_offset(class_counts, params.number("tau")),
            ..Loss::cross_entropy(class_counts.classes())
        })
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{Given, Params};
    use cache::ClassCounts;

    #[test]
    fn without_the_factor_it_is_the_logit_adjusted_loss() {
        let counts = ClassCounts::new(vec![100, 50, 2]).unwrap();
        let la = Method::find("logit-adjusted-loss").unwrap();
        let tau = ("tau", Given::Number(1.5));
        let vs = Params::resolve(&METHOD, &[("gamma", Given::Number(0.0)), tau.clone()]).unwrap();
        let (vs, la) =
            ((METHOD.build)(&counts, &vs), (la.build)(&counts, &Params::resolve(la, &[tau]).unwrap()));
        assert_eq!(vs, la);
        assert!(vs.trained().is_some());
    }
}
