//! Gaussian discriminant analysis: one covariance for all classes.

use super::{Build, Method, Training, params, range::within};
use crate::spec::{ClosedForm, HeadSpec};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `gda`.
    struct Gda {
        /// shrinkage γ towards a multiple of the identity, in mean eigenvalues; D/(N − 1) is the published one
        shrinkage: f64 = 0.1, within(1e-9, 1e9);
        /// strength τ of the prior in the logits: 0 all classes alike
        tau: f64 = 0.0, within(-10.0, 10.0);
    }
}

pub(super) static METHOD: Method = Method {
    name: "gda",
    aliases: &["lda"],
    title: "GDA",
    idea: "Takes each class for a Gaussian around its mean, all with the covariance within classes, shrunk towards the identity. A linear head in closed form; one decomposition serves every shrinkage.",
    formula: "w_k = P μ_k, b_k = −μ_kᵀ P μ_k / 2 + τ log π_k, P = (S + γ (tr S / D) I)⁻¹, S = Σ_i (f_i − μ_{y_i})(f_i − μ_{y_i})ᵀ / (N − 1)",
    source: "Wang et al. 2024 (ICLR, A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation), whose P is this at γ = D/(N − 1) times D/(N − 1)",
    reduces_to: "`ncm` with distance l2 as γ → ∞",
    neutral: None,
    training: Training::PostHoc,
    own: &Gda::DEFAULT,
    published: &[],
    grid: "shrinkage = [1e-3, 1e-2, 0.1, 1, 10]",
};

impl Build for Gda {
    fn build(&self, _: &ClassCounts) -> HeadSpec {
        HeadSpec::closed_form(ClosedForm::Gda { shrinkage: self.shrinkage, tau: self.tau })
    }
}
