//! The visual tower of SigLIP: no class token, attention pooling at the end.
//!
//! # Source
//! Zhai et al. 2023 (arXiv 2303.15343), google-research/big_vision, whose GELU is the one by the hyperbolic tangent, as transformers has it;
//! timm's `vit_base_patch16_siglip_*` compute the exact one. Images are squashed to a square.

use super::{Activation, ClassToken, Projection, Shape, Vit, variant};
use crate::{
    backbones::{BackboneKind, Family, readout::Pooling},
    transform::{Fit, Interpolation, Normalise, Photo, Transform},
    weights::{WeightNames, block, same},
};

/// One size, for several sizes of images.
pub(in super::super) static SIGLIP: Family = Family {
    variants: &[
        siglip(
            "vit-b16-siglip",
            "SigLIP ViT-B/16, 224 px; timm, open_clip, transformers",
            224,
            |builder, _| Vit::build(builder, Shape::siglip(Shape::BASE, 16, 224)),
        ),
        siglip("vit-b16-siglip-256", "SigLIP and SigLIP 2 ViT-B/16, 256 px", 256, |builder, _| {
            Vit::build(builder, Shape::siglip(Shape::BASE, 16, 256))
        }),
        siglip("vit-b16-siglip-384", "SigLIP ViT-B/16, 384 px", 384, |builder, _| {
            Vit::build(builder, Shape::siglip(Shape::BASE, 16, 384))
        }),
    ],
    names: NAMES,
};

/// timm's and open_clip's, which wraps timm's; transformers', with or without the text tower.
pub(super) const NAMES: WeightNames = WeightNames {
    layers: &["encoder"],
    towers: &["visual", "vision_model"],
    renamed: &[
        same("^.visual.", "^."),
        same("^.trunk.", "^."),
        block(0, "^.attn_pool.q.", "^.attn_pool.qkv."),
        block(1, "^.attn_pool.kv.", "^.attn_pool.qkv."),
        // transformers
        same("^.vision_model.", "^."),
        same("^.embeddings.position_embedding.weight.", "^.pos_embed."),
        same("^.embeddings.patch_embedding.", "^.patch_embed.proj."),
        same("^.encoder.layers.", "^.blocks."),
        block(0, ".self_attn.q_proj.", ".attn.qkv."),
        block(1, ".self_attn.k_proj.", ".attn.qkv."),
        block(2, ".self_attn.v_proj.", ".attn.qkv."),
        same(".self_attn.out_proj.", ".attn.proj."),
        same(".layer_norm1.", ".norm1."),
        same(".layer_norm2.", ".norm2."),
        same("^.post_layernorm.", "^.norm."),
        same("^.head.probe.", "^.attn_pool.latent."),
        same("^.head.attention.in_proj_", "^.attn_pool.qkv."),
        same("^.head.attention.out_proj.", "^.attn_pool.proj."),
        same("^.head.layernorm.", "^.attn_pool.norm."),
        same("^.head.mlp.", "^.attn_pool.mlp."),
    ],
    unused: &[".position_ids."],
    heads: &[],
};

impl Shape {
    pub(super) const fn siglip(size: (i64, usize, i64), patch: i64, image: i64) -> Self {
        Self {
            class: ClassToken::Absent,
            activation: Activation::TanhGelu,
            projection: Projection::Attention,
            poolings: &[Pooling::Projected, Pooling::Mean],
            ..Self::plain(size, patch, image)
        }
    }
}

const fn siglip(name: &'static str, about: &'static str, side: usize, build: super::Build) -> BackboneKind {
    let transform = Transform {
        pad: 0,
        normalise: Normalise::HALF,
        photo: Some(Photo {
            fit: Fit::Squash,
            interpolation: Interpolation::Bicubic,
            ..Photo::new(side, side)
        }),
    };
    variant(name, about, "16×16 patches", transform, build)
}
