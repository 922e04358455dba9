//! Sums over the training features that several heads read: where they are kept once they are made.

use std::cell::OnceCell;
use tch::Tensor;

/// Sums over the training features, made when first needed.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    pub(super) means: OnceCell<Tensor>,
    pub(super) ridge: OnceCell<Ridge>,
    pub(super) length: OnceCell<f64>,
}

/// The decomposed covariance of the features.
#[derive(Debug)]
pub(super) struct Ridge {
    /// e, `[D]`.
    pub(super) eigenvalues: Tensor,
    /// V, `[D, D]`.
    pub(super) vectors: Tensor,
    /// `Vᵀ cov(f, y)`, `[D, C]`.
    pub(super) rotated: Tensor,
    /// Mean feature, `[D, 1]`.
    pub(super) mean: Tensor,
}
