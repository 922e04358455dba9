//! Convolution and batch normalisation with named parameters.

use crate::weights::{Init, ParameterBuilder, Role};
use cache::BatchNormMode;
use tch::{TchError, Tensor};

/// The numbers of a convolution that a name does not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvShape {
    /// Input channels.
    pub(super) inputs: i64,
    /// Output channels.
    pub(super) outputs: i64,
    /// Side of the square kernel, odd.
    pub(super) kernel: i64,
    /// Step between outputs.
    pub(super) stride: i64,
    /// Groups of channels that do not see each other.
    pub(super) groups: i64,
}

impl ConvShape {
    /// One group at stride 1.
    pub(super) fn new(kernel: i64, inputs: i64, outputs: i64) -> Self {
        Self { inputs, outputs, kernel, stride: 1, groups: 1 }
    }

    /// With this step between outputs.
    pub(super) fn stride(self, stride: i64) -> Self {
        Self { stride, ..self }
    }

    /// With this many groups.
    pub(super) fn groups(self, groups: i64) -> Self {
        Self { groups, ..self }
    }
}

/// A convolution without bias.
#[derive(Debug)]
pub(super) struct Conv {
    weight: Tensor, // [out, in / groups, kernel, kernel]
    shape: ConvShape,
}

impl Conv {
    /// A convolution that keeps the size of the map at stride 1; its weight is `name.weight`.
    pub(super) fn new(
        builder: &mut ParameterBuilder,
        name: &str,
        shape: ConvShape,
        init: Init,
    ) -> Result<Self, TchError> {
        let sizes = [shape.outputs, shape.inputs / shape.groups, shape.kernel, shape.kernel];
        let weight = builder.add(&format!("{name}.weight"), &sizes, init, Role::Weight)?;
        Ok(Self { weight, shape })
    }

    /// The weight is rounded to the images' number format at every call: f32 stays the master copy.
    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let weight = self.weight.f_to_dtype(images.f_kind()?, false, false)?;
        let ConvShape { kernel, stride, groups, .. } = self.shape;
        images.f_conv2d(&weight, None::<Tensor>, [stride; 2], [kernel / 2; 2], [1, 1], groups)
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
