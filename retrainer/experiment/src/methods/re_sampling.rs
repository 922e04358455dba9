//! Re-sampling: cross-entropy on a stream that shows small classes more often.

use super::{Method, Training, Value};
use crate::head::{HeadSpec, Loss};

pub(super) static METHOD: Method = Method {
    name: "re-sampling",
    aliases: &["resampling"],
    title: "Re-Sampling",
    idea: "Draws classes with probability ∝ n^q and then one of the class's samples, N draws with replacement an epoch. The loss stays cross-entropy.",
    formula: "−log p_y, P(class k) ∝ n_k^q",
    source: "Kang et al. 2020 (ICLR), Eq. 1; LORT's Table 1 repeats the digits of Vanilla FC in this row",
    reduces_to: "`ce` with draws with replacement at q = 1, class-balanced sampling at q = 0",
    training: Training::Sgd,
    params: &[],
    sgd_defaults: &[("sampler", Value::Choice("power")), ("q", Value::Number(0.0))],
    grid: "q = [0, 0.5]\nlr = [5e-4, 5e-3, 5e-2]",
    build: |class_counts, _| HeadSpec::sgd(Loss::cross_entropy(class_counts.classes())),
};
