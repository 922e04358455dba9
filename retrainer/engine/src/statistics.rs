//! Sums over the training features that several heads read: where they are kept once they are made.

use std::{cell::OnceCell, cell::RefCell, rc::Rc};
use tch::Tensor;

/// Sums over the training features, made when first needed.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    pub(super) means: OnceCell<Tensor>,
    /// Decompositions for weighted samples, by the bits of the exponent ρ of the weights.
    pub(super) ridge: RefCell<Vec<(u64, Rc<Ridge>)>>,
    pub(super) within: OnceCell<Within>,
    pub(super) length: OnceCell<f64>,
}

/// The decomposed covariance within classes.
#[derive(Debug)]
pub(super) struct Within {
    /// e, `[D]`.
    pub(super) eigenvalues: Tensor,
    /// V, `[D, D]`.
    pub(super) vectors: Tensor,
}

/// The decomposed covariance of the weighted features.
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
    /// Shares of the classes in the weights, Σ 1.
    pub(super) shares: Vec<f64>,
}
