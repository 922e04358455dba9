//! The classifiers of a group: how its heads make logits, and how gradients by logits become gradients by parameters.
//!
//! Parameters of H heads stand side by side in the columns of their tensors. With G = ∂L/∂Z `[B, H·C]`:
//!
//! ```text
//! linear    Z = X W + b                     ∂W = Xᵀ G                        ∂b = 1ᵀ G
//! cosine    Z = (X̂ W) ⊙ s/|w|               ∂W = X̂ᵀ (G ⊙ s/|w|) − W ⊙ (1ᵀ (Z ⊙ G)) / |w|²
//! rescaled  Z = Z₀ ⊙ s                      ∂s = 1ᵀ (Z₀ ⊙ G)
//! margins   Z = Z₀ ⊙ a + c ⊙ |w₀|           ∂a = 1ᵀ (Z₀ ⊙ G), ∂c = |w₀| ⊙ 1ᵀ G
//! aligned   Z = Z₀ ⊙ (1 + σ a) + σ d        ∂a = σᵀ (Z₀ ⊙ G), ∂d = σᵀ G, ∂u = σ (1 − σ) Σ_k G (Z₀ a + d), ∂c = Xᵀ ∂u
//! ```
//!
//! X̂ has rows of length 1, Z₀ are the logits of the fixed stage-1 head, and σ = σ(u), u = X c + c₀, is one number for each
//! sample and head. A classifier takes of a [`Batch`] what it reads. It is called once for a group and step, so that what
//! decides at run time costs nothing.

mod aligned;
mod cosine;
mod linear;
mod margin_calibrated;
mod rescaled;
mod untrained;

pub(super) use linear::Linear;
pub(super) use untrained::of_form;

use super::{
    data::{Batch, Data},
    error::TrainError,
    head::{Head, Start},
};
use aligned::Aligned;
use cosine::Cosine;
use experiment::{plan::Precision, spec::Recipe};
use margin_calibrated::MarginCalibrated;
use rescaled::Rescaled;
use std::fmt;
use tch::{Device, Tensor};
use torch::numbers::{from_f32, size, to_f32};

/// Heads side by side that make logits: what measuring them needs.
pub(super) trait Logits: fmt::Debug {
    /// Logits `[B, H·C]`; `precision` is that of the product with trained weights.
    fn logits(&self, batch: &Batch<'_>, precision: Precision) -> Result<Tensor, TrainError>;

    /// Whether logits are linear in the features, so that those of a mean of two views are the mean of their logits.
    fn is_linear(&self, _data: &Data<'_>) -> bool {
        false
    }
}

/// Heads of one kind that SGD trains side by side.
pub(super) trait Classifier: Logits {
    /// The tensors that SGD moves, each with whether it is a bias.
    fn trained(&self) -> Vec<(&Tensor, bool)>;

    /// The weight vectors `[D, H·C]`, where they are trained.
    fn weight(&self) -> Option<&Tensor> {
        None
    }

    /// Adds the gradients of the parameters to `momenta`, one for each of [`Self::trained`].
    fn add_gradients(&self, momenta: &mut [Tensor], pull: &Pull<'_>) -> Result<(), TrainError>;

    /// Whether gradients need the logits again.
    fn keeps_logits(&self) -> bool {
        false
    }

    /// The same with other tensors, made from its own, which all have the heads side by side in their columns.
    fn map(&self, change: Change<'_>) -> Result<Box<Parameters>, TrainError>;

    /// One head on the host; `base` is the stage-1 head that some classifiers stand on.
    fn head(&self, place: Place, base: Option<&Head>) -> Result<Head, TrainError>;
}

/// What a batch wants of the logits, and so of the parameters.
#[derive(Debug)]
pub(super) struct Pull<'a> {
    pub(super) batch: &'a Batch<'a>,
    /// Those of [`Logits::logits`], where the classifier [keeps](Classifier::keeps_logits) them.
    pub(super) logits: Option<Tensor>,
    /// G, `[B, H·C]`.
    pub(super) gradient: Tensor,
    /// What gradients by parameters are multiplied by.
    pub(super) factor: f64,
    /// That of products with trained weights.
    pub(super) precision: Precision,
}

/// The parameters of a group's heads, of whatever classifier.
pub(super) type Parameters = dyn Classifier;

/// A change of a tensor of parameters.
type Change<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor, TrainError>;

/// One of the heads of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) head: usize,
    pub(super) heads: usize,
}

impl Place {
    /// Its columns of a tensor.
    fn columns(self, tensor: &Tensor) -> Result<Tensor, TrainError> {
        let columns = columns_of(tensor) / size(self.heads.max(1));
        Ok(tensor.f_narrow(1, size(self.head) * columns, columns)?)
    }

    /// Them on the host, column by column.
    fn numbers(self, tensor: &Tensor) -> Result<Vec<f32>, TrainError> {
        Ok(to_f32(&self.columns(tensor)?.f_tr()?)?)
    }
}

impl dyn Classifier + '_ {
    /// A copy of its own.
    pub(super) fn snapshot(&self) -> Result<Box<Parameters>, TrainError> {
        self.map(&|tensor| Ok(tensor.f_alias_copy()?))
    }

    /// Some of `heads` heads, as parameters of their own.
    pub(super) fn select(&self, some: &[usize], heads: usize) -> Result<Box<Parameters>, TrainError> {
        self.map(&|tensor| {
            let parts = some.iter().map(|&head| Place { head, heads }.columns(tensor));
            Ok(Tensor::f_cat(&parts.collect::<Result<Vec<_>, _>>()?, 1)?)
        })
    }

    /// Takes over one of the heads from parameters of the same shape.
    pub(super) fn copy_head(&self, from: &Parameters, place: Place) -> Result<(), TrainError> {
        for ((to, _), (from, _)) in self.trained().into_iter().zip(from.trained()) {
            place.columns(to)?.f_copy_(&place.columns(from)?)?;
        }
        Ok(())
    }
}

/// Where a classifier starts, given the heads that linear ones would start at, and the stage-1 head.
pub(super) fn start(
    classifier: experiment::spec::Classifier,
    heads: Vec<Head>,
    recipes: &[&Recipe],
    base: Option<&Head>,
    device: Device,
) -> Result<Box<Parameters>, TrainError> {
    use experiment::spec::Classifier as Kind;
    let (dim, classes) = heads.first().map_or((0, 0), |head| (head.dim, head.classes));
    let count = heads.len();
    Ok(match classifier {
        Kind::Linear => Box::new(Linear::new(&heads, device)?),
        Kind::Cosine => Box::new(Cosine::start(heads, recipes, device)?),
        Kind::Rescaled => Box::new(Rescaled::start(count * classes, device)?),
        Kind::Aligned => Box::new(Aligned::start(dim, count, classes, device)?),
        Kind::MarginCalibrated => {
            Box::new(MarginCalibrated::start(base.ok_or(TrainError::MissingHead)?, count, device)?)
        }
    })
}

/// Weight vectors side by side, `[D, H·C]`.
fn columns(heads: &[Head], device: Device) -> Result<Tensor, TrainError> {
    let columns = heads
        .iter()
        .map(|head| from_f32(&head.columns(), &[size(head.dim), size(head.classes)], device))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::f_cat(&columns, 1)?.f_contiguous()?)
}

/// Length of each column, `[1, H·C]`; at least 1e-12.
pub(super) fn lengths(weight: &Tensor) -> Result<Tensor, TrainError> {
    Ok(weight.f_norm_scalaropt_dim(2, [0_i64].as_slice(), true)?.f_clamp_min(1e-12)?)
}

fn rows_of(tensor: &Tensor) -> i64 {
    tensor.size().first().copied().unwrap_or(0)
}

fn columns_of(tensor: &Tensor) -> i64 {
    tensor.size().last().copied().unwrap_or(0)
}

fn mismatch() -> TrainError {
    TrainError::Torch("the momenta are not those of the classifier".to_owned())
}
