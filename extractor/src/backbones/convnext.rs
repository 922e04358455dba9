//! ConvNeXt: stages of depthwise convolutions with the perceptron of a transformer.
//!
//! # Source
//! Liu et al. 2022 (arXiv 2201.03545), facebookresearch/ConvNeXt; parameters are named as there. The features are the
//! pooled map after its last norm, which the head reads; stages are read as they are.

use super::{
    BackboneKind, Built, Family, ImageSize, Network,
    layers::{Conv, ConvShape, LayerNorm, Linear},
    readout::{Layer, Pooling, Readout},
};
use crate::{
    transform::Transform,
    weights::{Init, ParameterBuilder, Role, WeightNames, same},
};
use cache::{BatchNormMode, head_names::HEADS};
use tch::{Kind, TchError, Tensor};

/// Four sizes.
pub(super) static FAMILY: Family = Family {
    variants: &[
        variant("convnext-t", "ConvNeXt-T, 224 px; timm, torchvision, transformers", |builder, _| {
            ConvNext::build(builder, [3, 3, 9, 3], [96, 192, 384, 768])
        }),
        variant("convnext-s", "ConvNeXt-S, 224 px; timm, torchvision, transformers", |builder, _| {
            ConvNext::build(builder, [3, 3, 27, 3], [96, 192, 384, 768])
        }),
        variant("convnext-b", "ConvNeXt-B, 224 px; timm, torchvision, transformers", |builder, _| {
            ConvNext::build(builder, [3, 3, 27, 3], [128, 256, 512, 1024])
        }),
        variant("convnext-l", "ConvNeXt-L, 224 px; timm, torchvision, transformers", |builder, _| {
            ConvNext::build(builder, [3, 3, 27, 3], [192, 384, 768, 1536])
        }),
    ],
    names: NAMES,
};

/// The original's; timm's; transformers'; torchvision's, whose odd `features` are stages and whose even ones lead to them.
pub(super) const NAMES: WeightNames = WeightNames {
    layers: &["encoder"],
    towers: &[],
    renamed: &[
        same("^.stem.", "^.downsample_layers.0."),
        same("^.stages.1.downsample.", "^.downsample_layers.1."),
        same("^.stages.2.downsample.", "^.downsample_layers.2."),
        same("^.stages.3.downsample.", "^.downsample_layers.3."),
        same(".blocks.", "."),
        same(".conv_dw.", ".dwconv."),
        same(".mlp.fc1.", ".pwconv1."),
        same(".mlp.fc2.", ".pwconv2."),
        same("^.head.norm.", "^.norm."),
        // transformers
        same("^.convnext.", "^."),
        same("^.encoder.", "^."),
        same("^.embeddings.patch_embeddings.", "^.downsample_layers.0.0."),
        same("^.embeddings.layernorm.", "^.downsample_layers.0.1."),
        same("^.stages.1.downsampling_layer.", "^.downsample_layers.1."),
        same("^.stages.2.downsampling_layer.", "^.downsample_layers.2."),
        same("^.stages.3.downsampling_layer.", "^.downsample_layers.3."),
        same(".layers.", "."),
        same(".layer_scale_parameter.", ".gamma."),
        same(".layernorm.", ".norm."),
        // torchvision
        same("^.features.0.", "^.downsample_layers.0."),
        same("^.features.1.", "^.stages.0."),
        same("^.features.2.", "^.downsample_layers.1."),
        same("^.features.3.", "^.stages.1."),
        same("^.features.4.", "^.downsample_layers.2."),
        same("^.features.5.", "^.stages.2."),
        same("^.features.6.", "^.downsample_layers.3."),
        same("^.features.7.", "^.stages.3."),
        same(".block.0.", ".dwconv."),
        same(".block.2.", ".norm."),
        same(".block.3.", ".pwconv1."),
        same(".block.5.", ".pwconv2."),
        same(".layer_scale.", ".gamma."),
        same("^.classifier.0.", "^.norm."),
        same("^.classifier.2.", "^.classifier."),
    ],
    unused: &[],
    heads: &HEADS,
};

/// A small one, for tests against recorded ones.
#[cfg(test)]
pub(super) const TINY: BackboneKind =
    variant("tiny", "", |builder, _| ConvNext::build(builder, [1, 1, 2, 1], [8, 16, 24, 32]));

type Build = fn(&mut ParameterBuilder, f64) -> Built;

const fn variant(name: &'static str, about: &'static str, build: Build) -> BackboneKind {
    BackboneKind {
        name,
        about,
        images: ImageSize::Large,
        stem: "4×4 patches",
        widths: &[1.0],
        transform: Some(Transform::IMAGENET_BICUBIC),
        build,
    }
}

/// ε of every layer norm.
const EPSILON: f64 = 1e-6;

/// Convolution and norm before each stage, its blocks, and the norm of the pooled map.
#[derive(Debug)]
struct ConvNext {
    stages: Vec<Stage>,
    /// Channels of each stage.
    channels: Vec<usize>,
    norm: LayerNorm,
}

/// What leads to a stage, and its blocks; maps are `[B, H, W, C]`, a view of `[B, C, H, W]` with channels last.
#[derive(Debug)]
struct Stage {
    conv: Conv,
    norm: LayerNorm,
    /// The stem normalises what it has convolved, other stages what they convolve.
    norm_first: bool,
    blocks: Vec<Block>,
}

impl ConvNext {
    fn build(builder: &mut ParameterBuilder, depths: [usize; 4], channels: [i64; 4]) -> Built {
        let mut stages = Vec::with_capacity(depths.len());
        let mut inputs = 3;
        for (index, (depth, outputs)) in depths.into_iter().zip(channels).enumerate() {
            let norm_first = index > 0;
            let name = format!("downsample_layers.{index}");
            let (conv, norm, kernel, normalised) =
                if norm_first { (1, 0, 2, inputs) } else { (0, 1, 4, outputs) };
            let shape = ConvShape::patches(kernel, inputs, outputs).bias(true);
            let conv = Conv::new(builder, &format!("{name}.{conv}"), shape, Init::TRANSFORMER)?;
            let norm = LayerNorm::new(builder, &format!("{name}.{norm}"), normalised, EPSILON)?;
            let blocks = (0..depth)
                .map(|block| Block::build(builder, &format!("stages.{index}.{block}"), outputs))
                .collect::<Result<_, _>>()?;
            stages.push(Stage { conv, norm, norm_first, blocks });
            inputs = outputs;
        }
        let norm = LayerNorm::new(builder, "norm", inputs, EPSILON)?;
        let channels = channels.iter().filter_map(|&channels| usize::try_from(channels).ok()).collect();
        Ok(Box::new(Self { stages, channels, norm }))
    }
}

impl Stage {
    fn forward(&self, map: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let mut map = if self.norm_first {
            convolved(&self.conv, &self.norm.forward(map)?, kind)?
        } else {
            self.norm.forward(&convolved(&self.conv, map, kind)?)?
        };
        for block in &self.blocks {
            map = block.forward(&map, kind)?;
        }
        Ok(map)
    }
}

/// A convolution of `[B, H, W, C]`, computed in `kind`.
fn convolved(conv: &Conv, map: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
    let map = map.f_to_dtype(kind, false, false)?.f_permute([0, 3, 1, 2])?;
    conv.forward(&map)?.f_permute([0, 2, 3, 1])
}

/// x + γ · perceptron(norm(7×7 convolution of each channel)).
#[derive(Debug)]
struct Block {
    conv: Conv,
    norm: LayerNorm,
    pwconv1: Linear,
    pwconv2: Linear,
    gamma: Tensor, // [C]
}

impl Block {
    /// Parameters `name.dwconv`, `name.norm`, `name.pwconv1`, `name.pwconv2` and `name.gamma`.
    fn build(builder: &mut ParameterBuilder, name: &str, channels: i64) -> Result<Self, TchError> {
        let shape = ConvShape::new(7, channels, channels).groups(channels).bias(true);
        Ok(Self {
            conv: Conv::new(builder, &format!("{name}.dwconv"), shape, Init::TRANSFORMER)?,
            norm: LayerNorm::new(builder, &format!("{name}.norm"), channels, EPSILON)?,
            pwconv1: Linear::new(builder, &format!("{name}.pwconv1"), channels, 4 * channels)?,
            pwconv2: Linear::new(builder, &format!("{name}.pwconv2"), 4 * channels, channels)?,
            gamma: builder.add(&format!("{name}.gamma"), &[channels], Init::Ones, Role::Weight)?,
        })
    }

    /// `[B, H, W, C]` f32 to the same; products are computed in `kind`.
    fn forward(&self, map: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let branch = self.norm.forward(&convolved(&self.conv, map, kind)?)?;
        let branch = self.pwconv2.forward(&self.pwconv1.forward(&branch, kind)?.f_gelu("none")?, kind)?;
        map.f_add(&branch.f_mul(&self.gamma)?)
    }
}

impl Network for ConvNext {
    fn forward(&self, images: &Tensor, _: BatchNormMode, readout: Readout) -> Result<Tensor, TchError> {
        let kind = images.f_kind()?;
        let stages = match readout.layer {
            Layer::Penultimate => self.stages.len(),
            Layer::Stage(stage) => stage,
        };
        let mut map = images.f_permute([0, 2, 3, 1])?; // [B, H, W, C] from here on
        for stage in self.stages.iter().take(stages) {
            map = stage.forward(&map, kind)?;
        }
        let pooled = self.pooling(readout).pool(&map.f_permute([0, 3, 1, 2])?)?;
        match readout.layer {
            Layer::Penultimate => self.norm.forward(&pooled),
            Layer::Stage(_) => Ok(pooled),
        }
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
