//! The residual block: a chain of convolutions beside a shortcut.

use crate::{
    backbones::layers::{BatchNorm, Conv, ConvShape},
    weights::{Init, ParameterBuilder},
};
use cache::BatchNormMode;
use tch::{TchError, Tensor};

/// How a block's input joins its output where map or channels change.
#[derive(Clone, Copy, Debug)]
pub(super) enum ShortcutKind {
    /// A strided 1×1 convolution with batch normalisation (option B of He et al. 2016).
    Projection,
    /// Every second pixel, with zero channels on both sides (option A).
    PadChannels,
}

/// relu(bn(conv(… relu(bn(conv(x))) …)) + shortcut(x))
#[derive(Debug)]
pub(super) struct Block {
    chain: Vec<(Conv, BatchNorm)>,
    shortcut: Shortcut,
}

#[derive(Debug)]
enum Shortcut {
    Identity,
    Projection(Conv, BatchNorm),
    PadChannels { each_side: i64 },
}

impl Block {
    /// Convolutions in order, named `name.conv1`, `name.bn1`, `name.conv2` …; the shortcut fits their product.
    pub(super) fn build(
        builder: &mut ParameterBuilder,
        name: &str,
        convolutions: &[ConvShape],
        shortcut: ShortcutKind,
        init: Init,
    ) -> Result<Self, TchError> {
        let mut chain = Vec::with_capacity(convolutions.len());
        for (number, &shape) in (1..).zip(convolutions) {
            let conv = Conv::new(builder, &format!("{name}.conv{number}"), shape, init)?;
            chain.push((conv, BatchNorm::new(builder, &format!("{name}.bn{number}"), shape.outputs)?));
        }
        let inputs = convolutions.first().map_or(0, |shape| shape.inputs);
        let outputs = convolutions.last().map_or(0, |shape| shape.outputs);
        let stride = convolutions.iter().map(|shape| shape.stride).product();
        let shortcut = match shortcut {
            _ if stride == 1 && inputs == outputs => Shortcut::Identity,
            ShortcutKind::Projection => {
                let shape = ConvShape::new(1, inputs, outputs).stride(stride);
                Shortcut::Projection(
                    Conv::new(builder, &format!("{name}.downsample.0"), shape, init)?,
                    BatchNorm::new(builder, &format!("{name}.downsample.1"), outputs)?,
                )
            }
            ShortcutKind::PadChannels => Shortcut::PadChannels { each_side: (outputs - inputs) / 2 },
        };
        Ok(Self { chain, shortcut })
    }

    /// `[B, C, H, W]` to `[B, C', H', W']`.
    pub(super) fn forward(&self, input: &Tensor, batch_norm: BatchNormMode) -> Result<Tensor, TchError> {
        let mut map = input.shallow_clone();
        for (index, (conv, bn)) in self.chain.iter().enumerate() {
            map = bn.forward(&conv.forward(&map)?, batch_norm)?;
            if index + 1 < self.chain.len() {
                map = map.f_relu_()?;
            }
        }
        let _ = match &self.shortcut {
            Shortcut::Identity => map.f_add_(input)?,
            Shortcut::Projection(conv, bn) => map.f_add_(&bn.forward(&conv.forward(input)?, batch_norm)?)?,
            Shortcut::PadChannels { each_side } => {
                let halved = input.f_slice(2, None, None, 2)?.f_slice(3, None, None, 2)?;
                map.f_add_(&halved.f_constant_pad_nd([0, 0, 0, 0, *each_side, *each_side])?)?
            }
        };
        map.f_relu_()
    }
}
