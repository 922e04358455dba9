//! DINOv2: trained without labels, with and without registers.
//!
//! # Source
//! Oquab et al. 2023 (arXiv 2304.07193) and Darcet et al. 2024 (arXiv 2309.16588), facebookresearch/dinov2. Positions are those of 518 px;
//! their resampling is [`Resample::Offset`], with registers [`Resample::Antialiased`]: transformers has neither for the first, timm the
//! second for both. Its linear heads read the class token beside the mean of the patches.

use super::{Resample, Shape, Vit, variant};
use crate::{
    backbones::{BackboneKind, Family, readout::Pooling},
    transform::Transform,
    weights::{WeightNames, block, rows, same},
};
use cache::head_names::HEADS;

/// Three sizes, with and without registers.
pub(in super::super) static DINOV2: Family = Family {
    variants: &[
        dinov2("vit-s14-dinov2", "DINOv2 ViT-S/14, 224 px; timm, transformers", |builder, _| {
            Vit::build(builder, Shape::dinov2(Shape::SMALL))
        }),
        dinov2("vit-b14-dinov2", "DINOv2 ViT-B/14, 224 px; timm, transformers", |builder, _| {
            Vit::build(builder, Shape::dinov2(Shape::BASE))
        }),
        dinov2("vit-l14-dinov2", "DINOv2 ViT-L/14, 224 px; timm, transformers", |builder, _| {
            Vit::build(builder, Shape::dinov2(Shape::LARGE))
        }),
        dinov2("vit-s14-dinov2-reg4", "with 4 registers", |builder, _| {
            Vit::build(builder, Shape::dinov2_with_registers(Shape::SMALL))
        }),
        dinov2("vit-b14-dinov2-reg4", "with 4 registers", |builder, _| {
            Vit::build(builder, Shape::dinov2_with_registers(Shape::BASE))
        }),
        dinov2("vit-l14-dinov2-reg4", "with 4 registers", |builder, _| {
            Vit::build(builder, Shape::dinov2_with_registers(Shape::LARGE))
        }),
    ],
    names: NAMES,
};

/// Its own and timm's, which adds the class token's position to the token of networks with registers; those of transformers'
/// files, and of its modules since version 5.
pub(super) const NAMES: WeightNames = WeightNames {
    layers: &["encoder"],
    towers: &[],
    renamed: &[
        same("^.dinov2.", "^."),
        same("^.dinov2_with_registers.", "^."),
        same("^.embeddings.", "^."),
        same("^.position_embeddings.", "^.pos_embed."),
        rows("^.pos_embed.", "^.pos_embed."),
        same("^.reg_token.", "^.register_tokens."),
        same("^.patch_embeddings.projection.", "^.patch_embed.proj."),
        same("^.encoder.layer.", "^.blocks."),
        same("^.layers.", "^.blocks."),
        block(0, ".attention.attention.query.", ".attn.qkv."),
        block(1, ".attention.attention.key.", ".attn.qkv."),
        block(2, ".attention.attention.value.", ".attn.qkv."),
        block(0, ".attention.q_proj.", ".attn.qkv."),
        block(1, ".attention.k_proj.", ".attn.qkv."),
        block(2, ".attention.v_proj.", ".attn.qkv."),
        same(".attention.output.dense.", ".attn.proj."),
        same(".attention.o_proj.", ".attn.proj."),
        same(".layer_scale1.lambda1.", ".ls1.gamma."),
        same(".layer_scale2.lambda1.", ".ls2.gamma."),
        same("^.layernorm.", "^.norm."),
    ],
    unused: &[".mask_token."],
    heads: &HEADS,
};

impl Shape {
    pub(super) const fn dinov2(size: (i64, usize, i64)) -> Self {
        Self {
            layer_scale: true,
            resample: Resample::Offset,
            poolings: &[Pooling::ClsMean, Pooling::Cls, Pooling::Mean],
            ..Self::plain(size, 14, 518)
        }
    }

    pub(super) const fn dinov2_with_registers(size: (i64, usize, i64)) -> Self {
        Self { registers: 4, resample: Resample::Antialiased, ..Self::dinov2(size) }
    }
}

const fn dinov2(name: &'static str, about: &'static str, build: super::Build) -> BackboneKind {
    variant(name, about, "14×14 patches", Transform::IMAGENET_BICUBIC, build)
}
