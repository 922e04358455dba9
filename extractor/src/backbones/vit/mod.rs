//! Vision transformers: patches and a class token through blocks of attention; a file for each family that trained them.
//!
//! # Source
//! Dosovitskiy et al. 2021 (arXiv 2010.11929); parameters are named as in timm's `vision_transformer.py`. What families do
//! differently is in their files, and in [`Shape`].

mod attention_pool;
mod block;
mod clip;
mod dinov2;
mod positions;
mod siglip;
mod supervised;
#[cfg(test)]
pub(super) mod tiny;

pub(super) use {
    clip::{CLIP, OPEN_CLIP},
    dinov2::DINOV2,
    siglip::SIGLIP,
    supervised::SUPERVISED,
};

use super::{
    BackboneKind, Built, ImageSize, Network,
    layers::{Conv, ConvShape, LayerNorm, Linear},
    readout::{Pooling, Readout},
};
use crate::{
    transform::Transform,
    weights::{Init, ParameterBuilder, Role},
};
use attention_pool::AttentionPool;
use block::{Activation, Block, BlockShape};
use cache::BatchNormMode;
use positions::{Positions, Resample};
use tch::{Kind, TchError, Tensor};

/// What distinguishes one transformer from another.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Numbers of a token D.
    width: i64,
    /// Number of blocks.
    depth: usize,
    /// Heads of each attention.
    heads: i64,
    /// Side of a patch in pixels.
    patch: i64,
    /// Side in pixels of the images whose positions the weights have.
    image: i64,
    /// What comes before the patches, and is read in their place.
    class: ClassToken,
    /// Tokens beside patches and class that have no position and are not read.
    registers: i64,
    /// Whether the tokens are normalised before the first block; the patches have no bias then.
    norm_first: bool,
    /// Whether each channel of a block's branch has a factor.
    layer_scale: bool,
    /// Between the two layers of a block's perceptron.
    activation: Activation,
    /// ε of every layer norm.
    epsilon: f64,
    /// How positions come to images of another size.
    resample: Resample,
    /// What is compared with text, where something is.
    projection: Projection,
    /// What features can be, the owners' own first.
    poolings: &'static [Pooling],
}

/// A token that is no patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClassToken {
    /// There is none.
    Absent,
    /// It has no position.
    Bare,
    /// It has a position, before those of the patches.
    Placed,
}

/// What a tower of two gives to be compared with text.
#[derive(Clone, Copy, Debug)]
enum Projection {
    /// It has no text.
    None,
    /// The class token times a matrix, to so many numbers.
    Linear(i64),
    /// Attention of one learned query to all tokens.
    Attention,
}

impl Shape {
    /// `width`, `depth` and `heads` of the small, base and large transformer.
    const SMALL: (i64, usize, i64) = (384, 12, 6);
    const BASE: (i64, usize, i64) = (768, 12, 12);
    const LARGE: (i64, usize, i64) = (1024, 24, 16);

    /// A transformer as it was published first, for patches and images of these sides.
    const fn plain((width, depth, heads): (i64, usize, i64), patch: i64, image: i64) -> Self {
        Self {
            width,
            depth,
            heads,
            patch,
            image,
            class: ClassToken::Placed,
            registers: 0,
            norm_first: false,
            layer_scale: false,
            activation: Activation::Gelu,
            epsilon: 1e-6,
            resample: Resample::Antialiased,
            projection: Projection::None,
            poolings: &[Pooling::Cls, Pooling::Mean, Pooling::ClsMean],
        }
    }
}

type Build = fn(&mut ParameterBuilder, f64) -> Built;

const fn variant(
    name: &'static str,
    about: &'static str,
    stem: &'static str,
    transform: Transform,
    build: Build,
) -> BackboneKind {
    BackboneKind {
        name,
        about,
        images: ImageSize::Large,
        stem,
        widths: &[1.0],
        transform: Some(transform),
        build,
    }
}

/// Patches to tokens, blocks, a norm, and what is read of it.
#[derive(Debug)]
struct Vit {
    shape: Shape,
    patches: Conv,
    class: Option<Tensor>,     // [1, 1, D]
    registers: Option<Tensor>, // [1, R, D]
    positions: Positions,
    norm_first: Option<LayerNorm>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    projected: Projected,
}

/// The layers of a [`Projection`].
#[derive(Debug)]
enum Projected {
    None,
    Linear(Linear),
    Attention(AttentionPool),
}

impl Vit {
    fn build(builder: &mut ParameterBuilder, shape: Shape) -> Built {
        let Shape { width, patch, epsilon, .. } = shape;
        let mut token = |name: &str, count: i64, there: bool| {
            there.then(|| builder.add(name, &[1, count, width], Init::TRANSFORMER, Role::Weight)).transpose()
        };
        let class = token("cls_token", 1, shape.class != ClassToken::Absent)?;
        let registers = token("register_tokens", shape.registers, shape.registers > 0)?;
        let prefix = i64::from(shape.class == ClassToken::Placed);
        let positions = Positions::build(builder, shape.image / patch, prefix, width, shape.resample)?;
        let stem = ConvShape::patches(patch, 3, width).bias(!shape.norm_first);
        let patches = Conv::new(builder, "patch_embed.proj", stem, Init::TRANSFORMER)?;
        let norm_first = shape.norm_first.then(|| LayerNorm::new(builder, "norm_pre", width, epsilon));
        let norm_first = norm_first.transpose()?;
        let blocks = (0..shape.depth)
            .map(|index| Block::build(builder, &format!("blocks.{index}"), shape.block()))
            .collect::<Result<_, _>>()?;
        let norm = LayerNorm::new(builder, "norm", width, epsilon)?;
        let projected = match shape.projection {
            Projection::None => Projected::None,
            Projection::Linear(outputs) => {
                Projected::Linear(Linear::without_bias(builder, "projection", width, outputs)?)
            }
            Projection::Attention => Projected::Attention(AttentionPool::build(builder, shape.block())?),
        };
        Ok(Box::new(Self {
            shape,
            patches,
            class,
            registers,
            positions,
            norm_first,
            blocks,
            norm,
            projected,
        }))
    }

    /// `[B, 3, H, W]` to the tokens of class, registers and patches `[B, N, D]`, f32.
    fn tokens(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let (batch, _, height, width) = images.size4()?;
        let Shape { patch, .. } = self.shape;
        if height % patch != 0 || width % patch != 0 || height == 0 || width == 0 {
            let text = format!("images of {width} × {height} pixels do not split into patches of {patch}");
            return Err(TchError::Shape(text));
        }
        let map = self.patches.forward(images)?.f_to_dtype(Kind::Float, false, false)?; // [B, D, h, w]
        let (class, patches) = self.positions.of(height / patch, width / patch)?;
        let mut parts = Vec::with_capacity(3);
        if let Some(token) = &self.class {
            let token = class.map_or_else(|| Ok(token.shallow_clone()), |position| token.f_add(&position))?;
            parts.push(token.f_expand([batch, -1, -1], false)?);
        }
        if let Some(registers) = &self.registers {
            parts.push(registers.f_expand([batch, -1, -1], false)?);
        }
        parts.push(map.f_flatten(2, -1)?.f_transpose(1, 2)?.f_add(&patches)?);
        Tensor::f_cat(&parts, 1)
    }
}

impl Shape {
    fn block(&self) -> BlockShape {
        let Self { width, heads, layer_scale, activation, epsilon, .. } = *self;
        BlockShape { width, heads, layer_scale, activation, epsilon }
    }
}

impl Network for Vit {
    fn forward(&self, images: &Tensor, _: BatchNormMode, readout: Readout) -> Result<Tensor, TchError> {
        let kind = images.f_kind()?;
        let mut tokens = self.tokens(images)?;
        if let Some(norm) = &self.norm_first {
            tokens = norm.forward(&tokens)?;
        }
        for block in &self.blocks {
            tokens = block.forward(&tokens, kind)?;
        }
        let tokens = self.norm.forward(&tokens)?; // [B, N, D]
        let class = || tokens.f_select(1, 0);
        let skipped = i64::from(self.class.is_some()) + self.shape.registers;
        let mean = || tokens.f_slice(1, skipped, None, 1)?.f_mean_dim([1_i64].as_slice(), false, None);
        match (self.pooling(readout), &self.projected) {
            (Pooling::Cls, _) => class(),
            (Pooling::Mean, _) => mean(),
            (Pooling::ClsMean, _) => Tensor::f_cat(&[class()?, mean()?], 1),
            (Pooling::Projected, Projected::Linear(projection)) => projection.forward(&class()?, kind),
            (Pooling::Projected, Projected::Attention(pool)) => pool.forward(&tokens, kind),
            (pooling @ (Pooling::Projected | Pooling::Max), _) => Err(pooling.is_not_there()),
        }
    }

    fn feature_dim(&self, pooling: Pooling) -> usize {
        let dim = match (pooling, self.shape.projection) {
            (Pooling::ClsMean, _) => 2 * self.shape.width,
            (Pooling::Projected, Projection::Linear(outputs)) => outputs,
            (Pooling::Projected, Projection::None | Projection::Attention)
            | (Pooling::Cls | Pooling::Mean | Pooling::Max, _) => self.shape.width,
        };
        usize::try_from(dim).unwrap_or(0)
    }

    fn stages(&self) -> &[usize] {
        &[]
    }

    fn poolings(&self) -> &[Pooling] {
        self.shape.poolings
    }

    fn patch(&self) -> usize {
        usize::try_from(self.shape.patch).unwrap_or(1)
    }
}
