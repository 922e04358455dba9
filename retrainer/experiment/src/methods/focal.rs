//! Focal loss in its softmax form.

use super::{Kind, Method, Param, Training, Value};
use crate::head::{HeadSpec, Loss};

pub(super) static METHOD: Method = Method {
    name: "focal",
    aliases: &[],
    title: "Focal",
    idea: "Weighs each sample by how wrong its prediction still is; the gradient flows through the weight too.",
    formula: "(1 − p_y)^γ · (−log p_y)",
    source: "Lin et al. 2017 (ICCV), Eq. 4, on softmax probabilities as LDAM-DRW's code",
    reduces_to: "`ce` at γ = 0",
    training: Training::Sgd,
    params: &[Param {
        name: "gamma",
        kind: Kind::Number { min: 0.0, max: 10.0 },
        default: Value::Number(2.0),
        help: "focusing exponent γ",
    }],
    sgd_defaults: &[],
    grid: "gamma = [0.5, 1, 2, 3]\nlr = [5e-4, 5e-3, 5e-2, 0.2]",
    build: |class_counts, params| {
        HeadSpec::sgd(Loss { focal: params.number("gamma"), ..Loss::cross_entropy(class_counts.classes()) })
    },
};
