//! Convolutions, linear layers and normalisations with named parameters.

use crate::weights::{Init, ParameterBuilder, Role};
use cache::BatchNormMode;
use tch::{Kind, TchError, Tensor};

/// The numbers of a convolution that a name does not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvShape {
    /// Input channels.
    pub(super) inputs: i64,
    /// Output channels.
    pub(super) outputs: i64,
    /// Side of the square kernel.
    pub(super) kernel: i64,
    /// Step between outputs.
    pub(super) stride: i64,
    /// Zeros on every side.
    pub(super) padding: i64,
    /// Groups of channels that do not see each other.
    pub(super) groups: i64,
    /// Whether each output channel has a bias.
    pub(super) bias: bool,
}

impl ConvShape {
    /// One group at stride 1 without bias, which keeps the size of the map where the kernel is odd.
    pub(super) fn new(kernel: i64, inputs: i64, outputs: i64) -> Self {
        Self { inputs, outputs, kernel, stride: 1, padding: kernel / 2, groups: 1, bias: false }
    }

    /// Patches side by side.
    pub(super) fn patches(kernel: i64, inputs: i64, outputs: i64) -> Self {
        Self { stride: kernel, padding: 0, ..Self::new(kernel, inputs, outputs) }
    }

    /// With a bias, where `bias` says so.
    pub(super) fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
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

/// A convolution.
#[derive(Debug)]
pub(super) struct Conv {
    weight: Tensor,       // [out, in / groups, kernel, kernel]
    bias: Option<Tensor>, // [out]
    shape: ConvShape,
}

impl Conv {
    /// A convolution whose weight is `name.weight` and whose bias, where it has one, `name.bias`.
    pub(super) fn new(
        builder: &mut ParameterBuilder,
        name: &str,
        shape: ConvShape,
        init: Init,
    ) -> Result<Self, TchError> {
        let sizes = [shape.outputs, shape.inputs / shape.groups, shape.kernel, shape.kernel];
        let weight = builder.add(&format!("{name}.weight"), &sizes, init, Role::Weight)?;
        let bias = shape
            .bias
            .then(|| builder.add(&format!("{name}.bias"), &[shape.outputs], Init::Zeros, Role::Weight));
        Ok(Self { weight, bias: bias.transpose()?, shape })
    }

    /// The weight is rounded to the images' number format at every call: f32 stays the master copy.
    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let kind = images.f_kind()?;
        let weight = self.weight.f_to_dtype(kind, false, false)?;
        let bias = self.bias.as_ref().map(|bias| bias.f_to_dtype(kind, false, false)).transpose()?;
        let ConvShape { stride, padding, groups, .. } = self.shape;
        images.f_conv2d(&weight, bias, [stride; 2], [padding; 2], [1, 1], groups)
    }
}

/// x Wᵀ + b over the last dimension.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,       // [out, in]
    bias: Option<Tensor>, // [out]
}

impl Linear {
    /// `name.weight` and `name.bias`, as transformers start: N(0, 0.02²) and 0.
    pub(super) fn new(
        builder: &mut ParameterBuilder,
        name: &str,
        inputs: i64,
        outputs: i64,
    ) -> Result<Self, TchError> {
        let bias = builder.add(&format!("{name}.bias"), &[outputs], Init::Zeros, Role::Weight)?;
        Ok(Self { bias: Some(bias), ..Self::without_bias(builder, name, inputs, outputs)? })
    }

    /// The same with a weight alone.
    pub(super) fn without_bias(
        builder: &mut ParameterBuilder,
        name: &str,
        inputs: i64,
        outputs: i64,
    ) -> Result<Self, TchError> {
        let weight =
            builder.add(&format!("{name}.weight"), &[outputs, inputs], Init::TRANSFORMER, Role::Weight)?;
        Ok(Self { weight, bias: None })
    }

    /// `[…, in]` to `[…, out]`, both in the number format `kind`.
    pub(super) fn forward(&self, input: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        self.forward_rows(input, 0, self.weight.size().first().copied().unwrap_or(0), kind)
    }

    /// [`Linear::forward`] by `length` rows of weight and bias from `first` on.
    pub(super) fn forward_rows(
        &self,
        input: &Tensor,
        first: i64,
        length: i64,
        kind: Kind,
    ) -> Result<Tensor, TchError> {
        let rows = |tensor: &Tensor| tensor.f_narrow(0, first, length)?.f_to_dtype(kind, false, false);
        let bias = self.bias.as_ref().map(rows).transpose()?;
        input.f_to_dtype(kind, false, false)?.f_linear(&rows(&self.weight)?, bias)
    }
}

/// Normalisation of each row of the last dimension, in f32 always.
#[derive(Debug)]
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    pub(super) fn new(
        builder: &mut ParameterBuilder,
        name: &str,
        dim: i64,
        epsilon: f64,
    ) -> Result<Self, TchError> {
        Ok(Self {
            weight: builder.add(&format!("{name}.weight"), &[dim], Init::Ones, Role::Weight)?,
            bias: builder.add(&format!("{name}.bias"), &[dim], Init::Zeros, Role::Weight)?,
            epsilon,
        })
    }

    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_to_dtype(Kind::Float, false, false)?.f_layer_norm(
            self.weight.size(),
            Some(&self.weight),
            Some(&self.bias),
            self.epsilon,
            true,
        )
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
