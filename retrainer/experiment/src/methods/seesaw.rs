//! Seesaw: pushes rarer classes less, and more where a sample is taken for one of them.

use super::{Kind, Method, Param, Training, Value};
use crate::head::{Family, HeadSpec, Loss};
use cache::ClassCounts;

pub(super) static METHOD: Method = Method {
    name: "seesaw",
    aliases: &[],
    title: "Seesaw",
    idea: "Lets samples push the logits of rarer classes less, the rarer the less (mitigation), but more where the sample is taken for the rival rather than for its own class (compensation). The plain logits decide at test time.",
    formula: "z_k + p log min(1, n_k/n_y) + q log max(1, p_k/p_y) in training, p_k the softmax of z without gradient, p_y ≥ 0.01",
    source: "Wang et al. 2021 (CVPR), for classification: with the class counts themselves, where their code counts the samples seen so far; p 0.8, q 2",
    reduces_to: "`ce` at mitigation = compensation = 0",
    training: Training::Sgd,
    params: &[
        Param {
            name: "mitigation",
            kind: Kind::Number { min: 0.0, max: 10.0 },
            default: Value::Number(0.8),
            help: "exponent p of the ratio of class sizes",
        },
        Param {
            name: "compensation",
            kind: Kind::Number { min: 0.0, max: 10.0 },
            default: Value::Number(2.0),
            help: "exponent q of the ratio of probabilities",
        },
    ],
    sgd_defaults: &[],
    grid: "mitigation = [0.4, 0.8, 1.2]\ncompensation = [0, 2]\nlr = [5e-4, 5e-3, 5e-2]",
    build: |class_counts, params| {
        HeadSpec::sgd(Loss {
            family: Family::Seesaw,
            mitigation: log_sizes(class_counts, params.number("mitigation")),
            compensation: params.number("compensation"),
            ..Loss::cross_entropy(class_counts.classes())
        })
    },
};

/// `p log n_k`; 0 at p = 0 even for classes without samples.
fn log_sizes(class_counts: &ClassCounts, power: f64) -> Vec<f64> {
    let log_size = |&n: &u64| if power == 0.0 { 0.0 } else { power * (n as f64).ln() };
    class_counts.counts().iter().map(log_size).collect()
}
