//! Ridge regression on one-hot targets.

use super::{
    Build, Method, Training, params,
    range::{above, within},
};
use crate::spec::{ClosedForm, HeadSpec};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `ridge`.
    struct Ridge {
        /// penalty λ, for the mean over samples
        lambda: f64 = 0.01, above(0.0);
        /// exponent ρ of the samples' weights n_y^{−ρ}: 0 all samples alike, 1 all classes alike
        rho: f64 = 0.0, within(0.0, 2.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "ridge",
    aliases: &[],
    title: "Ridge",
    idea: "Solves the linear least-squares problem for one-hot targets exactly; one decomposition of the features' covariance serves every λ.",
    formula: "min Σ_i v_i |1_{y_i} − W f_i − b|² / Σ_i v_i + λ |W|², v_i = n_{y_i}^{−ρ}",
    source: "Hoerl and Kennard 1970 (Technometrics); as a probe of features, Zhai et al. 2019 (VTAB)",
    reduces_to: "least squares as λ → 0, the prior as λ → ∞",
    neutral: None,
    training: Training::PostHoc,
    own: &Ridge::DEFAULT,
    published: &[],
    grid: "lambda = [1e-4, 1e-3, 1e-2, 0.1, 1, 10]\nrho = [0, 0.5, 1]",
};

impl Build for Ridge {
    fn build(&self, _: &ClassCounts) -> HeadSpec {
        HeadSpec::closed_form(ClosedForm::Ridge { lambda: self.lambda, rho: self.rho })
    }
}
