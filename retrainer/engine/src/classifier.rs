//! The classifiers of a group: how its heads make logits, and how gradients by logits become gradients by parameters.
//!
//! Parameters of H heads stand side by side in the columns of their tensors. With G = ∂L/∂Z `[B, H·C]`:
//!
//! ```text
//! linear    Z = X W + b                     ∂W = Xᵀ G                        ∂b = 1ᵀ G
//! cosine    Z = (X̂ W) ⊙ s/|w|               ∂W = X̂ᵀ (G ⊙ s/|w|) − W ⊙ (1ᵀ (Z ⊙ G)) / |w|²
//! rescaled  Z = Z₀ ⊙ s                      ∂s = 1ᵀ (Z₀ ⊙ G)
//! aligned   Z = Z₀ ⊙ (1 + σ a) + σ d        ∂a = σᵀ (Z₀ ⊙ G), ∂d = σᵀ G, ∂u = σ (1 − σ) Σ_k G (Z₀ a + d), ∂c = Xᵀ ∂u
//! ```
//!
//! X̂ has rows of length 1, Z₀ are the logits of the fixed stage-1 head, and σ = σ(u), u = X c + c₀, is one number for each
//! sample and head. The normalisation of a cosine classifier costs no pass over W in the forward product: it is a factor of
//! each column of the logits.

use super::{
    bridge::{from_f32, from_f64, size, to_f32},
    data::Inputs,
    error::TrainError,
    head::{Alignment, Head, HeadForm},
    product,
};
use experiment::{
    head::{Classifier, Recipe},
    plan::Precision,
};
use tch::{Device, Kind, Tensor};

/// The parameters of a group's heads.
#[derive(Debug)]
pub(super) enum Parameters {
    /// `weight` `[D, H·C]`, `bias` `[1, H·C]`.
    Linear { weight: Tensor, bias: Tensor },
    /// `weight` `[D, H·C]`; `scale` `[1, H·C]` is no parameter.
    Cosine { weight: Tensor, scale: Tensor },
    /// `scale` `[1, H·C]`.
    Rescaled { scale: Tensor },
    /// `confidence` `[D, H]`, `confidence_bias` `[1, H]`, `scale` and `offset` `[1, H·C]`.
    Aligned { confidence: Tensor, confidence_bias: Tensor, scale: Tensor, offset: Tensor },
}

impl Parameters {
    /// Linear heads side by side.
    pub(super) fn linear(heads: &[Head], device: Device) -> Result<Self, TrainError> {
        let bias: Vec<f32> = heads.iter().flat_map(|head| head.bias.iter().copied()).collect();
        Ok(Self::Linear {
            weight: columns(heads, device)?,
            bias: from_f32(&bias, &[1, size(bias.len())], device)?,
        })
    }

    /// Where a classifier starts, given the heads that linear ones would start at.
    pub(super) fn start(
        classifier: Classifier,
        heads: Vec<Head>,
        recipes: &[&Recipe],
        device: Device,
    ) -> Result<Self, TrainError> {
        let (dim, classes) = heads.first().map_or((0, 0), |head| (head.dim, head.classes));
        let count = heads.len();
        let row = |value: f64| Tensor::f_full([1, size(count * classes)], value, (Kind::Float, device));
        Ok(match classifier {
            Classifier::Linear => Self::linear(&heads, device)?,
            Classifier::Cosine => {
                let heads: Vec<Head> = heads.into_iter().map(Head::directions).collect();
                let scales = recipes.iter().flat_map(|recipe| vec![recipe.cosine_scale; classes]);
                let scales: Vec<f64> = scales.collect();
                Self::Cosine {
                    weight: columns(&heads, device)?,
                    scale: from_f64(&scales, &[1, size(scales.len())], device)?,
                }
            }
            Classifier::Rescaled => Self::Rescaled { scale: row(1.0)? },
            Classifier::Aligned => Self::Aligned {
                confidence: Tensor::f_full([size(dim), size(count)], 0.1, (Kind::Float, device))?,
                confidence_bias: Tensor::f_zeros([1, size(count)], (Kind::Float, device))?,
                scale: row(1.0)?,
                offset: row(0.0)?,
            },
        })
    }

    /// What is trained.
    pub(super) fn classifier(&self) -> Classifier {
        match self {
            Self::Linear { .. } => Classifier::Linear,
            Self::Cosine { .. } => Classifier::Cosine,
            Self::Rescaled { .. } => Classifier::Rescaled,
            Self::Aligned { .. } => Classifier::Aligned,
        }
    }

    /// The tensors that SGD moves, each with whether it is a bias.
    pub(super) fn trained(&self) -> Vec<(&Tensor, bool)> {
        match self {
            Self::Linear { weight, bias } => vec![(weight, false), (bias, true)],
            Self::Cosine { weight, .. } => vec![(weight, false)],
            Self::Rescaled { scale } => vec![(scale, false)],
            Self::Aligned { confidence, confidence_bias, scale, offset } => {
                vec![(confidence, false), (confidence_bias, true), (scale, false), (offset, true)]
            }
        }
    }

    /// The weight vectors `[D, H·C]`, where they are trained.
    pub(super) fn weight(&self) -> Option<&Tensor> {
        match self {
            Self::Linear { weight, .. } | Self::Cosine { weight, .. } => Some(weight),
            Self::Rescaled { .. } | Self::Aligned { .. } => None,
        }
    }

    /// A copy of its own.
    pub(super) fn snapshot(&self) -> Result<Self, TrainError> {
        Ok(match self {
            Self::Linear { weight, bias } => {
                Self::Linear { weight: weight.f_alias_copy()?, bias: bias.f_alias_copy()? }
            }
            Self::Cosine { weight, scale } => {
                Self::Cosine { weight: weight.f_alias_copy()?, scale: scale.shallow_clone() }
            }
            Self::Rescaled { scale } => Self::Rescaled { scale: scale.f_alias_copy()? },
            Self::Aligned { confidence, confidence_bias, scale, offset } => Self::Aligned {
                confidence: confidence.f_alias_copy()?,
                confidence_bias: confidence_bias.f_alias_copy()?,
                scale: scale.f_alias_copy()?,
                offset: offset.f_alias_copy()?,
            },
        })
    }

    /// Takes over one of `heads` heads from parameters of the same shape.
    pub(super) fn copy_head(&self, from: &Self, head: usize, heads: usize) -> Result<(), TrainError> {
        for ((to, _), (from, _)) in self.trained().into_iter().zip(from.trained()) {
            let columns = columns_of(to) / size(heads.max(1));
            let start = size(head) * columns;
            to.f_narrow(1, start, columns)?.f_copy_(&from.f_narrow(1, start, columns)?)?;
        }
        Ok(())
    }

    /// Some of `heads` heads, as parameters of their own.
    pub(super) fn select(&self, some: &[usize], heads: usize) -> Result<Self, TrainError> {
        let part = |tensor: &Tensor| -> Result<Tensor, TrainError> {
            let columns = columns_of(tensor) / size(heads.max(1));
            let parts = some.iter().map(|&head| tensor.f_narrow(1, size(head) * columns, columns));
            Ok(Tensor::f_cat(&parts.collect::<Result<Vec<_>, _>>()?, 1)?)
        };
        Ok(match self {
            Self::Linear { weight, bias } => Self::Linear { weight: part(weight)?, bias: part(bias)? },
            Self::Cosine { weight, scale } => Self::Cosine { weight: part(weight)?, scale: part(scale)? },
            Self::Rescaled { scale } => Self::Rescaled { scale: part(scale)? },
            Self::Aligned { confidence, confidence_bias, scale, offset } => Self::Aligned {
                confidence: part(confidence)?,
                confidence_bias: part(confidence_bias)?,
                scale: part(scale)?,
                offset: part(offset)?,
            },
        })
    }

    /// Logits `[B, H·C]`; `precision` is that of the product with trained weights.
    pub(super) fn logits(&self, inputs: &Inputs, precision: Precision) -> Result<Tensor, TrainError> {
        match (self, inputs) {
            (Self::Linear { weight, bias }, Inputs::Features(x)) => {
                product::forward(x, weight, Some(bias), precision)
            }
            (Self::Cosine { weight, scale }, Inputs::Features(x)) => {
                let mut logits = product::forward(x, weight, None, precision)?;
                Ok(logits.f_mul_(&scale.f_div(&lengths(weight)?)?)?)
            }
            (Self::Rescaled { scale }, Inputs::BaseLogits(base)) => {
                let heads = columns_of(scale) / columns_of(base).max(1);
                Ok(base.f_repeat([1, heads])?.f_mul(scale)?)
            }
            (
                Self::Aligned { confidence, confidence_bias, scale, offset },
                Inputs::Both { features, logits },
            ) => {
                let (sigma, base) = aligned(confidence, confidence_bias, features, logits)?;
                let shape = [1, columns_of(confidence_bias), -1];
                let moved =
                    base.f_mul(&scale.f_view(shape)?)?.f_add(&offset.f_view(shape)?)?.f_mul(&sigma)?;
                Ok(moved.f_add(&base)?.f_view([-1, columns_of(scale)])?)
            }
            _ => Err(mismatch()),
        }
    }

    /// Adds `factor` times the gradients of the parameters to `momenta`; `logits` are those of [`Self::logits`], if
    /// [`Self::keeps_logits`].
    pub(super) fn add_gradients(
        &self,
        momenta: &mut [Tensor],
        inputs: &Inputs,
        logits: Option<&Tensor>,
        gradient: &Tensor,
        factor: f64,
        precision: Precision,
    ) -> Result<(), TrainError> {
        match (self, momenta, inputs) {
            (Self::Linear { .. }, [weight_momentum, bias_momentum], Inputs::Features(x)) => {
                product::accumulate(weight_momentum, x, gradient, factor, precision)?;
                let ones = Tensor::f_full([1, rows_of(gradient)], factor, (Kind::Float, x.device()))?;
                let _ = bias_momentum.f_addmm_(&ones, gradient)?;
            }
            (Self::Cosine { weight, scale }, [momentum], Inputs::Features(x)) => {
                let logits = logits.ok_or_else(mismatch)?;
                let lengths = lengths(weight)?;
                let radial =
                    logits.f_mul(gradient)?.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float)?;
                let columns = gradient.f_mul(&scale.f_div(&lengths)?)?;
                product::accumulate(momentum, x, &columns, factor, precision)?;
                let radial = radial.f_div(&lengths.f_square()?)?.f_mul_scalar(-factor)?;
                let _ = momentum.f_addcmul_(weight, &radial)?;
            }
            (Self::Rescaled { .. }, [momentum], Inputs::BaseLogits(base)) => {
                let product =
                    gradient.f_view([rows_of(base), -1, columns_of(base)])?.f_mul(&base.f_unsqueeze(1)?)?;
                let sum = product.f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Float)?;
                let _ = momentum.f_add_(&sum.f_view([1, -1])?.f_mul_scalar(factor)?)?;
            }
            (
                Self::Aligned { confidence, confidence_bias, scale, offset },
                [by_confidence, by_confidence_bias, by_scale, by_offset],
                Inputs::Both { features, logits: base },
            ) => {
                let (sigma, base) = aligned(confidence, confidence_bias, features, base)?;
                let shape = [1, columns_of(confidence_bias), -1];
                let gradient = gradient.f_view([rows_of(features), columns_of(confidence_bias), -1])?;
                let sum = |tensor: &Tensor, dim: i64| {
                    tensor.f_sum_dim_intlist([dim].as_slice(), false, Kind::Float)
                };
                let weighted = gradient.f_mul(&sigma)?.f_mul_scalar(factor)?;
                let _ = by_offset.f_add_(&sum(&weighted, 0)?.f_view([1, -1])?)?;
                let _ = by_scale.f_add_(&sum(&weighted.f_mul(&base)?, 0)?.f_view([1, -1])?)?;
                let slope = base.f_mul(&scale.f_view(shape)?)?.f_add(&offset.f_view(shape)?)?;
                // [B, H]
                let by_u = sum(&slope.f_mul(&weighted)?, 2)?;
                let by_u = by_u.f_mul(&sigma.f_neg()?.f_add_scalar(1.0)?.f_squeeze_dim(2)?)?;
                let _ = by_confidence.f_addmm_(&features.f_tr()?, &by_u)?;
                let _ = by_confidence_bias.f_add_(&sum(&by_u, 0)?.f_view([1, -1])?)?;
            }
            _ => return Err(mismatch()),
        }
        Ok(())
    }

    /// Whether gradients need the logits again.
    pub(super) fn keeps_logits(&self) -> bool {
        matches!(self, Self::Cosine { .. })
    }

    /// One of `heads` heads on the host; `base` is the stage-1 head that some classifiers stand on.
    pub(super) fn head(&self, head: usize, heads: usize, base: Option<&Head>) -> Result<Head, TrainError> {
        let part = |tensor: &Tensor| -> Result<Vec<f32>, TrainError> {
            let columns = columns_of(tensor) / size(heads.max(1));
            to_f32(&tensor.f_narrow(1, size(head) * columns, columns)?.f_tr()?)
        };
        let linear = |weight: Vec<f32>, bias: Vec<f32>, form: HeadForm| {
            let classes = bias.len();
            Head { classes, dim: weight.len() / classes.max(1), weight, bias, form }
        };
        match self {
            Self::Linear { weight, bias } => Ok(linear(part(weight)?, part(bias)?, HeadForm::Linear)),
            Self::Cosine { weight, scale } => {
                let rows = part(&weight.f_mul(&scale.f_div(&lengths(weight)?)?)?)?;
                let bias = vec![0.0; scale.numel() / heads.max(1)];
                Ok(linear(rows, bias, HeadForm::UnitFeatures { centre: Vec::new() }))
            }
            Self::Rescaled { scale } => {
                let mut head = base.ok_or(TrainError::MissingHead)?.clone();
                let rows = head.weight.chunks_exact_mut(head.dim.max(1));
                for ((row, bias), scale) in rows.zip(&mut head.bias).zip(part(scale)?) {
                    for weight in row {
                        *weight *= scale;
                    }
                    *bias *= scale;
                }
                Ok(head)
            }
            Self::Aligned { confidence, confidence_bias, scale, offset } => {
                let base = base.ok_or(TrainError::MissingHead)?.clone();
                let unit_features = base.reads_unit_features();
                let alignment = Alignment {
                    confidence: part(confidence)?,
                    confidence_bias: part(confidence_bias)?.first().copied().unwrap_or(0.0),
                    scale: part(scale)?,
                    offset: part(offset)?,
                    unit_features,
                };
                Ok(Head { form: HeadForm::Aligned(alignment), ..base })
            }
        }
    }
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

/// σ `[B, H, 1]` and base logits `[B, 1, C]`.
fn aligned(
    confidence: &Tensor,
    confidence_bias: &Tensor,
    features: &Tensor,
    base: &Tensor,
) -> Result<(Tensor, Tensor), TrainError> {
    let sigma = confidence_bias.f_addmm(features, confidence)?.f_sigmoid()?.f_unsqueeze(2)?;
    Ok((sigma, base.f_unsqueeze(1)?))
}

fn rows_of(tensor: &Tensor) -> i64 {
    tensor.size().first().copied().unwrap_or(0)
}

fn columns_of(tensor: &Tensor) -> i64 {
    tensor.size().last().copied().unwrap_or(0)
}

fn mismatch() -> TrainError {
    TrainError::Torch("the inputs are not those that the classifier reads".to_owned())
}
