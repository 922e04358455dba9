//! Nearest class mean.

use super::{Kind, Method, Param, Training, Value};
use crate::head::{ClosedForm, Distance, HeadSpec};

pub(super) static METHOD: Method = Method {
    name: "ncm",
    aliases: &["nearest-class-mean"],
    title: "NCM",
    idea: "Represents a class by the mean of its training features and takes the nearest; class sizes play no part. Nothing is trained.",
    formula: "−|f − μ_k|²/2 (l2), cos(f, μ_k) (cosine), or l2 after centring by the mean of all samples and scaling to length 1 (cl2n)",
    source: "Kang et al. 2020 (ICLR), §4; `cl2n` is the default of their code, after Wang et al. 2019",
    reduces_to: "itself",
    training: Training::PostHoc,
    params: &[Param {
        name: "distance",
        kind: Kind::Choice(&["cl2n", "l2", "cosine"]),
        default: Value::Choice("cl2n"),
        help: "how features and means are compared",
    }],
    sgd_defaults: &[],
    grid: r#"distance = ["l2", "cosine", "cl2n"]"#,
    build: |_, params| {
        let distance = match params.choice("distance") {
            "l2" => Distance::L2,
            "cosine" => Distance::Cosine,
            _ => Distance::CentredUnit,
        };
        HeadSpec::closed_form(ClosedForm::ClassMeans(distance))
    },
};
