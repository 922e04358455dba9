//! Residual networks: a stem for small or for large images, stages of blocks, average pooling at the end.

use super::{
    Built, Network,
    block::{Block, ShortcutKind},
    layers::{BatchNorm, Conv, ConvShape},
    readout::{Layer, Readout},
};
use crate::weights::{Init, ParameterBuilder};
use cache::BatchNormMode;
use std::fmt;
use tch::{TchError, Tensor};

/// What comes before the first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stem {
    /// A 3×3 convolution: 32×32 images keep their size.
    Small,
    /// A strided 7×7 convolution and a strided max-pool: 224×224 images become 56×56 maps.
    ImageNet,
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Small => "3×3",
            Self::ImageNet => "7×7, max-pool",
        })
    }
}

/// What a block computes beside its shortcut.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockKind {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, strided 3×3 in groups, and 1×1 to four times the stage's channels.
    Bottleneck { groups: i64, group_width: i64 },
}

impl BlockKind {
    /// Output channels for each channel of the stage.
    const BOTTLENECK_EXPANSION: i64 = 4;

    /// The convolutions of a block in a stage of `channels`; torchvision strides the 3×3 convolution.
    fn convolutions(self, inputs: i64, channels: i64, stride: i64) -> Vec<ConvShape> {
        match self {
            Self::Basic => vec![
                ConvShape::new(3, inputs, channels).stride(stride),
                ConvShape::new(3, channels, channels),
            ],
            Self::Bottleneck { groups, group_width } => {
                let inner = channels * group_width / 64 * groups;
                vec![
                    ConvShape::new(1, inputs, inner),
                    ConvShape::new(3, inner, inner).stride(stride).groups(groups),
                    ConvShape::new(1, inner, channels * Self::BOTTLENECK_EXPANSION),
                ]
            }
        }
    }
}

/// What distinguishes one network of the family from another.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) stem: Stem,
    pub(super) block: BlockKind,
    /// Blocks of each stage; every stage but the first halves the map.
    pub(super) blocks: &'static [usize],
    /// Channels of each stage.
    pub(super) channels: Vec<i64>,
    pub(super) shortcut: ShortcutKind,
    /// How the architecture's own code starts convolutions.
    pub(super) init: Init,
}

impl Shape {
    /// torchvision's stages of 64, 128, 256 and 512 channels times `width`, with its initialisation.
    pub(super) fn basic(stem: Stem, blocks: &'static [usize], width: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the widths of the list make whole numbers up to 512"
        )]
        let channels = [64.0, 128.0, 256.0, 512.0].map(|channels| (channels * width) as i64).to_vec();
        Self {
            stem,
            block: BlockKind::Basic,
            blocks,
            channels,
            shortcut: ShortcutKind::Projection,
            init: Init::KaimingNormalFanOut,
        }
    }

    /// torchvision's bottleneck networks for large images; `groups` × `group_width` is 1 × 64 for a plain ResNet.
    pub(super) fn bottleneck(blocks: &'static [usize], groups: i64, group_width: i64) -> Self {
        Self {
            block: BlockKind::Bottleneck { groups, group_width },
            ..Self::basic(Stem::ImageNet, blocks, 1.0)
        }
    }
}

/// A stem, the stages of blocks in order, and the pooling.
#[derive(Debug)]
pub(super) struct ResNet {
    stem: Stem,
    conv1: Conv,
    bn1: BatchNorm,
    stages: Vec<Vec<Block>>,
    /// Channels of each stage.
    channels: Vec<usize>,
}

impl ResNet {
    pub(super) fn build(builder: &mut ParameterBuilder, shape: &Shape) -> Built {
        let channels = shape.channels.first().copied().unwrap_or(1);
        let conv1 = match shape.stem {
            Stem::Small => ConvShape::new(3, 3, channels),
            Stem::ImageNet => ConvShape::new(7, 3, channels).stride(2),
        };
        let (stem, init) = builder.initialisation().of_convolutions(shape.init, shape.stem == Stem::Small);
        let conv1 = Conv::new(builder, "conv1", conv1, stem)?;
        let bn1 = BatchNorm::new(builder, "bn1", channels)?;
        let (mut stages, mut outputs, mut inputs) = (Vec::new(), Vec::new(), channels);
        for (stage, (&count, &channels)) in shape.blocks.iter().zip(&shape.channels).enumerate() {
            let mut blocks = Vec::with_capacity(count);
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let name = format!("layer{}.{index}", stage + 1);
                let convolutions = shape.block.convolutions(inputs, channels, stride);
                inputs = convolutions.last().map_or(inputs, |last| last.outputs);
                blocks.push(Block::build(builder, &name, &convolutions, shape.shortcut, init)?);
            }
            stages.push(blocks);
            outputs.push(usize::try_from(inputs).unwrap_or(0));
        }
        Ok(Box::new(Self { stem: shape.stem, conv1, bn1, stages, channels: outputs }))
    }
}

impl Network for ResNet {
    fn forward(
        &self,
        images: &Tensor,
        batch_norm: BatchNormMode,
        readout: Readout,
    ) -> Result<Tensor, TchError> {
        let mut map = self.bn1.forward(&self.conv1.forward(images)?, batch_norm)?.f_relu_()?;
        if self.stem == Stem::ImageNet {
            map = map.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        }
        let stages = match readout.layer {
            Layer::Penultimate => self.stages.len(),
            Layer::Stage(stage) => stage,
        };
        for block in self.stages.iter().take(stages).flatten() {
            map = block.forward(&map, batch_norm)?; // [B, C, H, W]
        }
        readout.pooling.pool(&map) // [B, D]
    }

    fn feature_dim(&self) -> usize {
        self.channels.last().copied().unwrap_or(0)
    }

    fn stages(&self) -> &[usize] {
        &self.channels
    }
}
