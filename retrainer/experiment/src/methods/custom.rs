//! Any combination: the parts of the unified formula as raw parameters.

use super::{
    Kind, Method, Param, Training, Value,
    cb_ce::{effective_number_weights, scaled_to_classes},
    cdt::size_scale,
    grw::inverse_prior_weights,
    ldam::margins,
    logit_adjusted_loss::prior_offset,
    max_norm::{PROJECT_EVERY, max_norm},
};
use crate::head::{Classifier, Family, HeadSpec, Loss, Recipe};

pub(super) static METHOD: Method = Method {
    name: "custom",
    aliases: &[],
    title: "Custom",
    idea: "Combines any parts of the unified formula, each with the parameter of the method that it comes from. Every default is neutral.",
    formula: "z_k (n_k/n_max)^temperature + τ log π_k − margin_y 1_{k=y}; weights by β and ρ, focal γ, smoothing δ, bound on |w_k|",
    source: "LORT, Eq. 1, with the parts of `vs`, `ldam`, `cb-ce`, `grw`, `focal`, `lort`, `max-norm` and `cosine`",
    reduces_to: "`ce` at its defaults",
    training: Training::Sgd,
    params: &[
        Param {
            name: "loss",
            kind: Kind::Choice(&["softmax", "sigmoid-bce", "softmax-bce"]),
            default: Value::Choice("softmax"),
            help: "how the losses of the classes become one",
        },
        Param {
            name: "classifier",
            kind: Kind::Choice(&["linear", "cosine"]),
            default: Value::Choice("linear"),
            help: "how logits are made",
        },
        Param {
            name: "scale",
            kind: Kind::Above { min: 0.0 },
            default: Value::Number(16.0),
            help: "scale of a cosine classifier and of its margins",
        },
        Param {
            name: "temperature",
            kind: Kind::Number { min: 0.0, max: 4.0 },
            default: Value::Number(0.0),
            help: "exponent of the factor (n_k/n_max) of the logits, as γ of `cdt`",
        },
        Param {
            name: "tau",
            kind: Kind::Number { min: -10.0, max: 10.0 },
            default: Value::Number(0.0),
            help: "strength of the prior in the logits, as τ of `logit-adjusted-loss`",
        },
        Param {
            name: "max_margin",
            kind: Kind::Number { min: 0.0, max: 100.0 },
            default: Value::Number(0.0),
            help: "margin of the smallest class, as in `ldam`; of the logits themselves where the classifier is linear",
        },
        Param {
            name: "beta",
            kind: Kind::Number { min: 0.0, max: 1.0 },
            default: Value::Number(0.0),
            help: "class weights by effective numbers, as in `cb-ce`",
        },
        Param {
            name: "rho",
            kind: Kind::Number { min: 0.0, max: 4.0 },
            default: Value::Number(0.0),
            help: "class weights by powers of the inverse prior, as in `grw`; multiplies those of `beta`",
        },
        Param {
            name: "weight_from",
            kind: Kind::Number { min: 0.0, max: 1.0 },
            default: Value::Number(0.0),
            help: "fraction of the epochs after which class weights apply, as drw_start of `ldam-drw`",
        },
        Param {
            name: "delta",
            kind: Kind::Number { min: 0.0, max: 1.0 },
            default: Value::Number(0.0),
            help: "label-smooth value, as in `lort`",
        },
        Param {
            name: "gamma",
            kind: Kind::Number { min: 0.0, max: 10.0 },
            default: Value::Number(0.0),
            help: "focusing exponent, as in `focal`; `softmax-bce` takes none",
        },
        Param {
            name: "threshold",
            kind: Kind::Number { min: 0.0, max: f64::INFINITY },
            default: Value::Number(f64::INFINITY),
            help: "bound on weight vectors, as in `max-norm`; inf for none",
        },
        PROJECT_EVERY,
    ],
    sgd_defaults: &[],
    grid: "",
    build: |class_counts, params| {
        let classes = class_counts.classes();
        let cosine = params.choice("classifier") == "cosine";
        let scale = if cosine { params.number("scale") } else { 1.0 };
        let effective = effective_number_weights(class_counts, params.number("beta"));
        let inverse = inverse_prior_weights(class_counts, params.number("rho"));
        let neutral = params.number("beta") == 0.0 && params.number("rho") == 0.0;
        let weight = if neutral {
            vec![1.0; classes]
        } else {
            scaled_to_classes(effective.iter().zip(inverse).map(|(one, two)| one * two).collect())
        };
        let margin = margins(class_counts, params.number("max_margin"));
        HeadSpec::recipe(Recipe {
            classifier: if cosine { Classifier::Cosine } else { Classifier::Linear },
            cosine_scale: scale,
            weight_from: params.number("weight_from"),
            max_norm: Some(max_norm(params)),
            ..Recipe::linear(Loss {
                family: match params.choice("loss") {
                    "sigmoid-bce" => Family::SigmoidBce,
                    "softmax-bce" => Family::SoftmaxBce,
                    _ => Family::Softmax,
                },
                scale: size_scale(class_counts, params.number("temperature")),
                offset: prior_offset(class_counts, params.number("tau")),
                margin: margin.into_iter().map(|margin| scale * margin).collect(),
                weight,
                smoothing: vec![params.number("delta"); classes],
                focal: params.number("gamma"),
                ..Loss::cross_entropy(classes)
            })
        })
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{Given, METHODS, Params};
    use cache::ClassCounts;

    /// Each part alone is the method that it comes from.
    #[test]
    fn one_part_alone_is_the_method_that_it_comes_from() {
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        let (number, text) = (Given::Number, |text: &str| Given::Text(text.to_owned()));
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
            let spec = (method.build)(&counts, &Params::resolve(method, &own).unwrap());
            let got = (METHOD.build)(&counts, &Params::resolve(&METHOD, &custom).unwrap());
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
}
