//! Ridge regression on one-hot targets.

use super::{Kind, Method, Param, Training, Value};
use crate::head::{ClosedForm, HeadSpec};

pub(super) static METHOD: Method = Method {
    name: "ridge",
    aliases: &[],
    title: "Ridge",
    idea: "Solves the linear least-squares problem for one-hot targets exactly; one decomposition of the features' covariance serves every λ.",
    formula: "min (1/N) Σ_i |1_{y_i} − W f_i − b|² + λ |W|²",
    source: "Hoerl and Kennard 1970 (Technometrics); as a probe of features, Zhai et al. 2019 (VTAB)",
    reduces_to: "least squares as λ → 0, the prior as λ → ∞",
    training: Training::PostHoc,
    params: &[Param {
        name: "lambda",
        kind: Kind::Above { min: 0.0 },
        default: Value::Number(0.01),
        help: "penalty λ, for the mean over samples",
    }],
    sgd_defaults: &[],
    grid: "lambda = [1e-4, 1e-3, 1e-2, 0.1, 1, 10]",
    build: |_, params| HeadSpec::closed_form(ClosedForm::Ridge { lambda: params.number("lambda") }),
};
