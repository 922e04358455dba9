//! Any combination: the parts of the unified formula as raw parameters.

use super::{
    Build, Method, Training,
    cdt::size_scale,
    ce,
    grw::inverse_prior_weights,
    logit_adjusted_loss::prior_offset,
    params,
    range::{above, choice, choices, within},
};
use crate::spec::{Classifier, Family, HeadSpec, Loss, MaxNorm, ProjectEvery, Recipe};
use cache::ClassCounts;
use longtail::{effective_number_weights, ldam_margins, scaled_to_classes};

/// How a combination makes logits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Linear,
    Cosine,
}

/// The families whose parts are all parameters here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Joined {
    Softmax,
    SigmoidBce,
    SoftmaxBce,
}

choices!(Joined { Softmax = "softmax", SigmoidBce = "sigmoid-bce", SoftmaxBce = "softmax-bce" });
choices!(Form { Linear = "linear", Cosine = "cosine" });

params! {
    /// Hyper-parameters of `custom`.
    struct Custom {
        /// how the losses of the classes become one
        loss: Joined = Joined::Softmax, choice(), neutral Joined::Softmax;
        /// how logits are made
        classifier: Form = Form::Linear, choice(), neutral Form::Linear;
        /// scale of a cosine classifier and of its margins
        scale: f64 = 16.0, above(0.0);
        /// exponent of the factor (n_k/n_max) of the logits, as γ of `cdt`
        temperature: f64 = 0.0, within(0.0, 4.0), neutral 0.0;
        /// strength of the prior in the logits, as τ of `logit-adjusted-loss`
        tau: f64 = 0.0, within(-10.0, 10.0), neutral 0.0;
        /// margin of the smallest class, as in `ldam`; of the logits themselves where the classifier is linear
        max_margin: f64 = 0.0, within(0.0, 100.0), neutral 0.0;
        /// class weights by effective numbers, as in `cb-ce`
        beta: f64 = 0.0, within(0.0, 1.0), neutral 0.0;
        /// class weights by powers of the inverse prior, as in `grw`; multiplies those of `beta`
        rho: f64 = 0.0, within(0.0, 4.0), neutral 0.0;
        /// fraction of the epochs after which class weights apply, as drw_start of `ldam-drw`
        weight_from: f64 = 0.0, within(0.0, 1.0);
        /// label-smooth value, as in `lort`
        delta: f64 = 0.0, within(0.0, 1.0), neutral 0.0;
        /// focusing exponent, as in `focal`; `softmax-bce` takes none
        gamma: f64 = 0.0, within(0.0, 10.0), neutral 0.0;
        /// bound on weight vectors, as in `max-norm`; inf for none
        threshold: f64 = f64::INFINITY, within(0.0, f64::INFINITY), neutral f64::INFINITY;
        /// when weights are projected: after each epoch (LTWB's code) or step (LTWB's paper)
        project_every: ProjectEvery = ProjectEvery::Epoch, choice();
    }
}

pub(super) static METHOD: Method = Method {
    name: "custom",
    aliases: &[],
    title: "Custom",
    idea: "Combines any parts of the unified formula, each with the parameter of the method that it comes from. Every default is neutral.",
    formula: "z_k (n_k/n_max)^temperature + τ log π_k − margin_y 1_{k=y}; weights by β and ρ, focal γ, smoothing δ, bound on |w_k|",
    source: "LORT, Eq. 1, with the parts of `vs`, `ldam`, `cb-ce`, `grw`, `focal`, `lort`, `max-norm` and `cosine`",
    reduces_to: "`ce` at its defaults",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Custom::DEFAULT,
    published: &[],
    grid: "",
};

impl Build for Custom {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let classes = class_counts.classes();
        let (classifier, scale) = match self.classifier {
            Form::Linear => (Classifier::Linear, 1.0),
            Form::Cosine => (Classifier::Cosine, self.scale),
        };
        let effective = effective_number_weights(class_counts.counts(), self.beta);
        let inverse = inverse_prior_weights(class_counts, self.rho);
        let neutral = self.beta == 0.0 && self.rho == 0.0;
        let weight = if neutral {
            vec![1.0; classes]
        } else {
            scaled_to_classes(effective.iter().zip(inverse).map(|(one, two)| one * two).collect())
        };
        let margin = ldam_margins(class_counts.counts(), self.max_margin);
        HeadSpec::recipe(Recipe {
            classifier,
            cosine_scale: scale,
            weight_from: self.weight_from,
            max_norm: Some(MaxNorm { threshold: self.threshold, every: self.project_every }),
            ..Recipe::linear(Loss {
                family: match self.loss {
                    Joined::Softmax => Family::Softmax,
                    Joined::SigmoidBce => Family::SigmoidBce,
                    Joined::SoftmaxBce => Family::SoftmaxBce,
                },
                scale: size_scale(class_counts, self.temperature),
                offset: prior_offset(class_counts, self.tau),
                margin: margin.into_iter().map(|margin| scale * margin).collect(),
                weight,
                smoothing: vec![self.delta; classes],
                focal: self.gamma,
                ..Loss::cross_entropy(classes)
            })
        })
    }

    fn settled(&self) -> Self {
        let keep = |acts: bool, own: f64, default: f64| if acts { own } else { default };
        let weighs = self.beta != 0.0 || self.rho != 0.0;
        Self {
            scale: keep(self.classifier == Form::Cosine, self.scale, Self::DEFAULT.scale),
            weight_from: keep(weighs, self.weight_from, Self::DEFAULT.weight_from),
            gamma: keep(self.loss != Joined::SoftmaxBce, self.gamma, Self::DEFAULT.gamma),
            project_every: if self.threshold.is_finite() {
                self.project_every
            } else {
                Self::DEFAULT.project_every
            },
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{METHODS, Params, Value};
    use cache::ClassCounts;

    /// Each part alone is the method that it comes from.
    #[test]
    fn one_part_alone_is_the_method_that_it_comes_from() {
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        let (number, text) = (Value::Number, |text: &'static str| Value::Text(text.into()));
        let cases = [
            ("lort", vec![("delta", number(0.98))], vec![("delta", number(0.98))]),
            ("focal", vec![("gamma", number(2.0))], vec![("gamma", number(2.0))]),
            ("cb-ce", vec![("beta", number(0.999))], vec![("beta", number(0.999))]),
            ("grw", vec![("rho", number(1.2))], vec![("rho", number(1.2))]),
            ("balanced-softmax", vec![], vec![("tau", number(1.0))]),
            ("vs", vec![], vec![("tau", number(1.0)), ("temperature", number(0.3))]),
            (
                "ldam",
                vec![],
                vec![("classifier", text("cosine")), ("scale", number(30.0)), ("max_margin", number(0.5))],
            ),
            ("max-norm", vec![], vec![("threshold", number(0.1))]),
            ("cb-bce-softmax", vec![], vec![("beta", number(0.9999)), ("loss", text("softmax-bce"))]),
        ];
        for (name, own, custom) in cases {
            let method = METHODS.iter().find(|method| method.name == name).unwrap();
            let spec = Params::resolve(method, &own).unwrap().build(&counts);
            let got = Params::resolve(&METHOD, &custom).unwrap().build(&counts);
            let (spec, got) = (spec.trained().unwrap(), got.trained().unwrap());
            assert_eq!(got.classifier, spec.classifier, "{name}");
            assert_eq!((got.cosine_scale, got.loss.family), (spec.cosine_scale, spec.loss.family), "{name}");
            let vectors = |loss: &Loss| {
                [&loss.scale, &loss.offset, &loss.margin, &loss.weight, &loss.smoothing]
                    .map(Clone::clone)
                    .concat()
            };
            for (one, two) in vectors(&got.loss).iter().zip(vectors(&spec.loss)) {
                assert!((one - two).abs() < 1e-12, "{name}");
            }
            assert_eq!(got.loss.focal, spec.loss.focal, "{name}");
        }
    }

    /// They would be axes of a grid whose points are the same head, and the report would warn of a value at the end of one.
    #[test]
    fn parts_that_do_nothing_are_no_parameters_of_the_head() {
        let (number, text) = (Value::Number, |text: &'static str| Value::Text(text.into()));
        let resolve = |given: &[(&str, Value)]| Params::resolve(&METHOD, given).unwrap();
        let cosine = ("classifier", text("cosine"));
        for (idle, value, acting) in [
            ("scale", number(30.0), cosine),
            ("weight_from", number(0.5), ("rho", number(1.0))),
            ("project_every", text("step"), ("threshold", number(0.3))),
        ] {
            let with = |part: &(&'static str, Value)| {
                (resolve(std::slice::from_ref(part)), resolve(&[part.clone(), (idle, value.clone())]))
            };
            let (alone, both) = with(&acting);
            assert_ne!(alone, both, "{idle} beside {}", acting.0);
            assert_eq!(resolve(&[(idle, value.clone())]), resolve(&[]), "{idle} alone");
        }
        let focal = ("gamma", number(2.0));
        assert_ne!(resolve(std::slice::from_ref(&focal)), resolve(&[]));
        let bce = ("loss", text("softmax-bce"));
        assert_eq!(resolve(&[focal, bce.clone()]), resolve(&[bce]));
    }
}
