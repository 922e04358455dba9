//! Residual networks: a stem for small or for large images, stages of blocks, average pooling at the end.
//!
//! # Source
//! He et al. 2016 (arXiv 1512.03385), Xie et al. 2017 (arXiv 1611.05431) for the groups of ResNeXt; layers, names and starting values as
//! torchvision's `models/resnet.py`. ResNet-34 for 32×32 images is that of Alshammari et al. 2022 (arXiv 2203.14197), the backbone of most
//! CIFAR-100-LT numbers called "ResNet-32", whose code LORT's follows; [`Initialisation`](crate::weights::Initialisation) has the
//! published starts. ResNet-32 is He et al.'s for CIFAR, as in LDAM-DRW (Cao et al. 2019): 16, 32 and 64 channels, shortcuts without
//! parameters.

mod block;
#[cfg(test)]
mod tests;

use super::{
    BackboneKind, Built, Family, ImageSize, Network,
    layers::{BatchNorm, Conv, ConvShape},
    readout::{Layer, Pooling, Readout},
};
use crate::weights::{Init, ParameterBuilder, WeightNames, same};
use block::{Block, ShortcutKind};
use cache::{BatchNormMode, head_names::HEADS};
use tch::{TchError, Tensor};

/// ResNets and ResNeXts, their weights named as torchvision's, timm's or those of long-tail code.
pub(super) static FAMILY: Family = Family {
    variants: &[
        small("resnet18", "ResNet-18 for CIFAR", &[1.0, 0.5, 0.25], |builder, width| {
            ResNet::build(builder, &Shape::basic(Stem::Small, &[2, 2, 2, 2], width))
        }),
        small("resnet34", "ResNet-34 for CIFAR, as LORT uses", &[1.0, 0.5, 0.25], |builder, width| {
            ResNet::build(builder, &Shape::basic(Stem::Small, &[3, 4, 6, 3], width))
        }),
        small("resnet32", "CIFAR ResNet-32 of LDAM-DRW", &[1.0], |builder, _| {
            ResNet::build(
                builder,
                &Shape {
                    blocks: &[5, 5, 5],
                    channels: vec![16, 32, 64],
                    shortcut: ShortcutKind::PadChannels,
                    init: Init::KaimingNormalFanIn,
                    ..Shape::basic(Stem::Small, &[], 1.0)
                },
            )
        }),
        large("imagenet-resnet10", "ResNet-10 for ImageNet-LT, as OLTR and cRT use", |builder, width| {
            ResNet::build(builder, &Shape::basic(Stem::ImageNet, &[1, 1, 1, 1], width))
        }),
        large("imagenet-resnet18", "torchvision ResNet-18", |builder, width| {
            ResNet::build(builder, &Shape::basic(Stem::ImageNet, &[2, 2, 2, 2], width))
        }),
        large("imagenet-resnet34", "torchvision ResNet-34", |builder, width| {
            ResNet::build(builder, &Shape::basic(Stem::ImageNet, &[3, 4, 6, 3], width))
        }),
        large("imagenet-resnet50", "torchvision ResNet-50", |builder, _| {
            ResNet::build(builder, &Shape::bottleneck(&[3, 4, 6, 3], 1, 64))
        }),
        large("imagenet-resnet101", "torchvision ResNet-101", |builder, _| {
            ResNet::build(builder, &Shape::bottleneck(&[3, 4, 23, 3], 1, 64))
        }),
        large("imagenet-resnet152", "torchvision ResNet-152", |builder, _| {
            ResNet::build(builder, &Shape::bottleneck(&[3, 8, 36, 3], 1, 64))
        }),
        large("imagenet-resnext50-32x4d", "torchvision ResNeXt-50 32x4d", |builder, _| {
            ResNet::build(builder, &Shape::bottleneck(&[3, 4, 6, 3], 32, 4))
        }),
    ],
    names: WeightNames {
        layers: &[],
        towers: &[],
        renamed: &[same(".shortcut.", ".downsample.")],
        unused: &[],
        heads: &HEADS,
    },
};

type Build = fn(&mut ParameterBuilder, f64) -> Built;

const fn small(
    name: &'static str,
    about: &'static str,
    widths: &'static [f64],
    build: Build,
) -> BackboneKind {
    BackboneKind { name, about, images: ImageSize::Small, stem: "3×3", widths, transform: None, build }
}

const fn large(name: &'static str, about: &'static str, build: Build) -> BackboneKind {
    let stem = "7×7, max-pool";
    BackboneKind { name, about, images: ImageSize::Large, stem, widths: &[1.0], transform: None, build }
}

/// What comes before the first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stem {
    /// A 3×3 convolution: 32×32 images keep their size.
    Small,
    /// A strided 7×7 convolution and a strided max-pool: 224×224 images become 56×56 maps.
    ImageNet,
}

/// What a block computes beside its shortcut.
#[derive(Clone, Copy, Debug)]
enum BlockKind {
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
struct Shape {
    stem: Stem,
    block: BlockKind,
    /// Blocks of each stage; every stage but the first halves the map.
    blocks: &'static [usize],
    /// Channels of each stage.
    channels: Vec<i64>,
    shortcut: ShortcutKind,
    /// How the architecture's own code starts convolutions.
    init: Init,
}

impl Shape {
    /// torchvision's stages of 64, 128, 256 and 512 channels times `width`, with its initialisation.
    fn basic(stem: Stem, blocks: &'static [usize], width: f64) -> Self {
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
    fn bottleneck(blocks: &'static [usize], groups: i64, group_width: i64) -> Self {
        Self {
            block: BlockKind::Bottleneck { groups, group_width },
            ..Self::basic(Stem::ImageNet, blocks, 1.0)
        }
    }
}

/// A stem, the stages of blocks in order, and the pooling.
#[derive(Debug)]
struct ResNet {
    stem: Stem,
    conv1: Conv,
    bn1: BatchNorm,
    stages: Vec<Vec<Block>>,
    /// Channels of each stage.
    channels: Vec<usize>,
}

impl ResNet {
    fn build(builder: &mut ParameterBuilder, shape: &Shape) -> Built {
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
        self.pooling(readout).pool(&map) // [B, D]
    }

    fn feature_dim(&self, _: Pooling) -> usize {
        self.channels.last().copied().unwrap_or(0)
    }

    fn stages(&self) -> &[usize] {
        &self.channels
    }

    fn poolings(&self) -> &[Pooling] {
        &Pooling::OF_MAPS
    }
}
