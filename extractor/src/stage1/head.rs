//! The classifier that is trained together with the backbone.

use crate::weights::{Init, ParameterBuilder, Parameters, Role};
use shared::HeadKind;
use tch::{TchError, Tensor};

/// A stage-1 classifier; its parameters are `fc.weight` `[C, D]` and `fc.bias` `[C]`.
#[derive(Debug)]
pub struct Head {
    /// How features become logits.
    pub kind: HeadKind,
    /// `[C, D]` f32.
    pub weight: Tensor,
    /// `[C]` f32.
    pub bias: Tensor,
    parameters: Parameters,
}

impl Head {
    /// A linear head with PyTorch's default initialisation, U(−1/√D, 1/√D) for weight and bias.
    ///
    /// # Errors
    /// libtorch's.
    pub fn linear(mut builder: ParameterBuilder, classes: usize, dim: usize) -> Result<Self, TchError> {
        let size = |n: usize| i64::try_from(n).map_err(|_| TchError::Shape(format!("a size of {n}")));
        let (classes, dim) = (size(classes)?, size(dim)?);
        let init = Init::UniformFanIn(dim);
        let weight = builder.add("fc.weight", &[classes, dim], init, Role::Weight)?;
        let bias = builder.add("fc.bias", &[classes], init, Role::Weight)?;
        Ok(Self { kind: HeadKind::Linear, weight, bias, parameters: builder.finish() })
    }

    /// `features` `[B, D]` to logits `[B, C]`, in f32.
    ///
    /// # Errors
    /// libtorch's.
    pub fn logits(&self, features: &Tensor) -> Result<Tensor, TchError> {
        features.f_linear(&self.weight, Some(&self.bias))
    }

    /// Weight and bias under their names.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}
