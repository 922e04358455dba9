//! Transformers trained on labels of ImageNet, or on it without labels by DINO.
//!
//! # Source
//! Steiner et al. 2022 (arXiv 2106.10270, "augreg", as timm's `vit_*_patch*`), Touvron et al. 2021 (arXiv 2012.12877, DeiT) and 2022
//! (arXiv 2204.07118, DeiT III), Caron et al. 2021 (arXiv 2104.14294, DINO), torchvision's `vit_b_16`. Their owners probe the class token.

use super::{ClassToken, Resample, Shape, Vit, variant};
use crate::{
    backbones::{BackboneKind, Family},
    transform::{Interpolation, Normalise, Transform},
    weights::{WeightNames, block, same},
};
use cache::head_names::HEADS;

/// One architecture, four ways of training.
pub(in super::super) static SUPERVISED: Family = Family {
    variants: &[
        augreg("vit-s16", "timm ViT-S/16 augreg, 224 px", |builder, _| {
            Vit::build(builder, Shape::plain(Shape::SMALL, 16, 224))
        }),
        patches_32("vit-s32", "timm ViT-S/32 augreg, 224 px", |builder, _| {
            Vit::build(builder, Shape::plain(Shape::SMALL, 32, 224))
        }),
        augreg(
            "vit-b16",
            "timm ViT-B/16 augreg, 224 px; google/vit-base-patch16-224 of transformers",
            |builder, _| Vit::build(builder, Shape::plain(Shape::BASE, 16, 224)),
        ),
        patches_32("vit-b32", "timm ViT-B/32 augreg, 224 px", |builder, _| {
            Vit::build(builder, Shape::plain(Shape::BASE, 32, 224))
        }),
        augreg("vit-l16", "timm ViT-L/16 augreg, 224 px", |builder, _| {
            Vit::build(builder, Shape::plain(Shape::LARGE, 16, 224))
        }),
        patches_32("vit-l32", "google/vit-large-patch32 of transformers, 224 px", |builder, _| {
            Vit::build(builder, Shape::plain(Shape::LARGE, 32, 224))
        }),
        imagenet(
            "vit-s16-deit",
            "DeiT-S/16, and DINO's (not v2), 224 px; timm, transformers",
            |builder, _| Vit::build(builder, Shape::plain(Shape::SMALL, 16, 224)),
        ),
        imagenet(
            "vit-b16-deit",
            "DeiT-B/16, and DINO's (not v2), 224 px; timm, transformers",
            |builder, _| Vit::build(builder, Shape::plain(Shape::BASE, 16, 224)),
        ),
        imagenet("vit-s16-deit3", "DeiT III-S/16, 224 px; timm", |builder, _| {
            Vit::build(builder, Shape::deit3(Shape::SMALL))
        }),
        imagenet("vit-b16-deit3", "DeiT III-B/16, 224 px; timm", |builder, _| {
            Vit::build(builder, Shape::deit3(Shape::BASE))
        }),
        imagenet("vit-l16-deit3", "DeiT III-L/16, 224 px; timm", |builder, _| {
            Vit::build(builder, Shape::deit3(Shape::LARGE))
        }),
        torchvision("vit-b16-torchvision", "torchvision vit_b_16, 224 px", "16×16 patches", |builder, _| {
            Vit::build(builder, Shape::torchvision(Shape::BASE, 16))
        }),
        torchvision("vit-b32-torchvision", "torchvision vit_b_32, 224 px", "32×32 patches", |builder, _| {
            Vit::build(builder, Shape::torchvision(Shape::BASE, 32))
        }),
        torchvision("vit-l16-torchvision", "torchvision vit_l_16, 224 px", "16×16 patches", |builder, _| {
            Vit::build(builder, Shape::torchvision(Shape::LARGE, 16))
        }),
    ],
    names: NAMES,
};

/// timm's own, DeiT's and DINO's; torchvision's; those of transformers' files, and of its modules since version 5.
pub(super) const NAMES: WeightNames = WeightNames {
    layers: &["encoder"],
    towers: &[],
    renamed: &[
        same("^.vit.", "^."),
        same("^.deit.", "^."),
        same("^.embeddings.", "^."),
        same("^.position_embeddings.", "^.pos_embed."),
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
        same(".intermediate.dense.", ".mlp.fc1."),
        same(".output.dense.", ".mlp.fc2."),
        same(".layernorm_before.", ".norm1."),
        same(".layernorm_after.", ".norm2."),
        same("^.layernorm.", "^.norm."),
        // torchvision
        same("^.class_token.", "^.cls_token."),
        same("^.conv_proj.", "^.patch_embed.proj."),
        same("^.encoder.pos_embedding.", "^.pos_embed."),
        same("^.encoder.layers.encoder_layer_", "^.blocks."),
        same(".self_attention.in_proj_", ".attn.qkv."),
        same(".self_attention.out_proj.", ".attn.proj."),
        same(".ln_1.", ".norm1."),
        same(".ln_2.", ".norm2."),
        same(".mlp.linear_1.", ".mlp.fc1."),
        same(".mlp.linear_2.", ".mlp.fc2."),
        same(".mlp.0.", ".mlp.fc1."),
        same(".mlp.3.", ".mlp.fc2."),
        same("^.encoder.ln.", "^.norm."),
        same("^.heads.head.", "^.head."),
    ],
    unused: &["^.pooler.", "^.vit.pooler.", "^.deit.pooler.", ".mask_token."],
    heads: &HEADS,
};

impl Shape {
    /// Factors of the channels, and a class token without position.
    pub(super) const fn deit3(size: (i64, usize, i64)) -> Self {
        Self { layer_scale: true, class: ClassToken::Bare, ..Self::plain(size, 16, 224) }
    }

    pub(super) const fn torchvision(size: (i64, usize, i64), patch: i64) -> Self {
        Self { resample: Resample::Corners, ..Self::plain(size, patch, 224) }
    }
}

/// timm's `crop_pct` of 0.9.
const AUGREG: Transform = Transform::photographs(248, 224, Interpolation::Bicubic, Normalise::HALF);

const fn augreg(name: &'static str, about: &'static str, build: super::Build) -> BackboneKind {
    variant(name, about, "16×16 patches", AUGREG, build)
}

const fn patches_32(name: &'static str, about: &'static str, build: super::Build) -> BackboneKind {
    variant(name, about, "32×32 patches", AUGREG, build)
}

const fn imagenet(name: &'static str, about: &'static str, build: super::Build) -> BackboneKind {
    variant(name, about, "16×16 patches", Transform::IMAGENET_BICUBIC, build)
}

const fn torchvision(
    name: &'static str,
    about: &'static str,
    stem: &'static str,
    build: super::Build,
) -> BackboneKind {
    variant(name, about, stem, Transform::PHOTOGRAPHS, build)
}
