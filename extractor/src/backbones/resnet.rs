//! Residual networks of basic blocks for 32×32 images: a 3×3 stem, no max-pool, average pooling at the end.

use super::{
    Built, Network,
    layers::{BatchNorm, Conv},
};
use crate::weights::{Init, ParameterBuilder};
use shared::BatchNormMode;
use tch::{TchError, Tensor};

/// How a block's input joins its output where the number of channels changes.
#[derive(Clone, Copy, Debug)]
pub(super) enum ShortcutKind {
    /// A strided 1×1 convolution with batch normalisation (option B of He et al. 2016).
    Projection,
    /// Every second pixel, with zero channels on both sides (option A).
    PadChannels,
}

/// What distinguishes one network of the family from another.
#[derive(Debug)]
pub(super) struct Shape {
    /// Blocks of each stage; every stage but the first halves the map.
    pub(super) blocks: &'static [usize],
    /// Channels of each stage.
    pub(super) channels: Vec<i64>,
    pub(super) shortcut: ShortcutKind,
    pub(super) init: Init,
}

/// A stem, the blocks of all stages in order, and the pooling.
#[derive(Debug)]
pub(super) struct ResNet {
    conv1: Conv,
    bn1: BatchNorm,
    blocks: Vec<Block>,
    feature_dim: i64,
}

impl ResNet {
    pub(super) fn build(builder: &mut ParameterBuilder, shape: &Shape) -> Built {
        let stem = shape.channels.first().copied().unwrap_or(1);
        let conv1 = Conv::new(builder, "conv1", (3, stem), 3, 1, shape.init)?;
        let bn1 = BatchNorm::new(builder, "bn1", stem)?;
        let (mut blocks, mut inputs) = (Vec::new(), stem);
        for (stage, (&count, &outputs)) in shape.blocks.iter().zip(&shape.channels).enumerate() {
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let name = format!("layer{}.{index}", stage + 1);
                blocks.push(Block::build(builder, &name, (inputs, outputs), stride, shape)?);
                inputs = outputs;
            }
        }
        Ok(Box::new(Self { conv1, bn1, blocks, feature_dim: inputs }))
    }
}

impl Network for ResNet {
    fn forward(&self, images: &Tensor, batch_norm: BatchNormMode) -> Result<Tensor, TchError> {
        let mut map = self.bn1.forward(&self.conv1.forward(images)?, batch_norm)?.f_relu_()?;
        for block in &self.blocks {
            map = block.forward(&map, batch_norm)?; // [B, C, H, W]
        }
        map.f_mean_dim([2_i64, 3].as_slice(), false, None) // [B, D]
    }

    fn feature_dim(&self) -> usize {
        usize::try_from(self.feature_dim).unwrap_or(0)
    }
}

/// relu(bn(conv(relu(bn(conv(x))))) + shortcut(x))
#[derive(Debug)]
struct Block {
    conv1: Conv,
    bn1: BatchNorm,
    conv2: Conv,
    bn2: BatchNorm,
    shortcut: Shortcut,
}

#[derive(Debug)]
enum Shortcut {
    Identity,
    Projection(Conv, BatchNorm),
    PadChannels { each_side: i64 },
}

impl Block {
    fn build(
        builder: &mut ParameterBuilder,
        name: &str,
        (inputs, outputs): (i64, i64),
        stride: i64,
        shape: &Shape,
    ) -> Result<Self, TchError> {
        let conv1 = Conv::new(builder, &format!("{name}.conv1"), (inputs, outputs), 3, stride, shape.init)?;
        let bn1 = BatchNorm::new(builder, &format!("{name}.bn1"), outputs)?;
        let conv2 = Conv::new(builder, &format!("{name}.conv2"), (outputs, outputs), 3, 1, shape.init)?;
        let bn2 = BatchNorm::new(builder, &format!("{name}.bn2"), outputs)?;
        let shortcut = match shape.shortcut {
            _ if stride == 1 && inputs == outputs => Shortcut::Identity,
            ShortcutKind::Projection => Shortcut::Projection(
                Conv::new(
                    builder,
                    &format!("{name}.downsample.0"),
                    (inputs, outputs),
                    1,
                    stride,
                    shape.init,
                )?,
                BatchNorm::new(builder, &format!("{name}.downsample.1"), outputs)?,
            ),
            ShortcutKind::PadChannels => Shortcut::PadChannels { each_side: (outputs - inputs) / 2 },
        };
        Ok(Self { conv1, bn1, conv2, bn2, shortcut })
    }

    fn forward(&self, input: &Tensor, batch_norm: BatchNormMode) -> Result<Tensor, TchError> {
        let map = self.bn1.forward(&self.conv1.forward(input)?, batch_norm)?.f_relu_()?;
        let mut map = self.bn2.forward(&self.conv2.forward(&map)?, batch_norm)?;
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
