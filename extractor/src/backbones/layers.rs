//! Convolution and batch normalisation with named parameters.

use crate::weights::{Init, ParameterBuilder, Role};
use shared::BatchNormMode;
use tch::{TchError, Tensor};

/// A convolution without bias.
#[derive(Debug)]
pub(super) struct Conv {
    weight: Tensor, // [out, in, kernel, kernel]
    stride: i64,
    padding: i64,
}

impl Conv {
    /// A 3×3 or 1×1 convolution that keeps the size of the map at stride 1; its weight is `name.weight`.
    pub(super) fn new(
        builder: &mut ParameterBuilder,
        name: &str,
        (inputs, outputs): (i64, i64),
        kernel: i64,
        stride: i64,
        init: Init,
    ) -> Result<Self, TchError> {
        let weight =
            builder.add(&format!("{name}.weight"), &[outputs, inputs, kernel, kernel], init, Role::Weight)?;
        Ok(Self { weight, stride, padding: kernel / 2 })
    }

    /// The weight is rounded to the images' number format at every call: f32 stays the master copy.
    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let weight = self.weight.f_to_dtype(images.f_kind()?, false, false)?;
        images.f_conv2d(&weight, None::<Tensor>, [self.stride; 2], [self.padding; 2], [1, 1], 1)
    }
}

/// Batch normalisation over `[B, C, H, W]`; parameters and statistics are f32, also when activations are bf16.
#[derive(Debug)]
pub(super) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    /// PyTorch's defaults for momentum and epsilon.
    const MOMENTUM: f64 = 0.1;
    const EPSILON: f64 = 1e-5;

    pub(super) fn new(builder: &mut ParameterBuilder, name: &str, channels: i64) -> Result<Self, TchError> {
        let mut add =
            |part: &str, init, role| builder.add(&format!("{name}.{part}"), &[channels], init, role);
        Ok(Self {
            weight: add("weight", Init::Ones, Role::Weight)?,
            bias: add("bias", Init::Zeros, Role::Weight)?,
            running_mean: add("running_mean", Init::Zeros, Role::Statistic)?,
            running_var: add("running_var", Init::Ones, Role::Statistic)?,
        })
    }

    pub(super) fn forward(&self, images: &Tensor, mode: BatchNormMode) -> Result<Tensor, TchError> {
        images.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            mode == BatchNormMode::Train,
            Self::MOMENTUM,
            Self::EPSILON,
            true,
        )
    }
}
