//! The visual towers of CLIP and OpenCLIP.
//!
//! # Source
//! Radford et al. 2021 (arXiv 2103.00020), openai/CLIP; Cherti et al. 2023 (arXiv 2212.07143), mlfoundations/open_clip. They differ in the
//! activation alone, which no file tells: OpenAI's weights take `-clip`, LAION's and DataComp's `-openclip`. Linear probes of the
//! paper read the class token before its projection (appendix A.3); text is compared with `--pool projected`. Some of LAION's
//! L/14 were trained with means and deviations of 0.5.

use super::{Activation, Projection, Shape, Vit, variant};
use crate::{
    backbones::{BackboneKind, Family, readout::Pooling},
    transform::{Interpolation, Normalise, Transform},
    weights::{WeightNames, block, same, transposed},
};

/// OpenAI's weights.
pub(in super::super) static CLIP: Family = Family {
    variants: &[
        clip("vit-b32-clip", "CLIP ViT-B/32 of OpenAI, 224 px", "32×32 patches", |builder, _| {
            Vit::build(builder, Shape::clip(Shape::BASE, 32, 224, 512))
        }),
        clip("vit-b16-clip", "CLIP ViT-B/16 of OpenAI, 224 px", "16×16 patches", |builder, _| {
            Vit::build(builder, Shape::clip(Shape::BASE, 16, 224, 512))
        }),
        clip("vit-l14-clip", "CLIP ViT-L/14 of OpenAI, 224 px", "14×14 patches", |builder, _| {
            Vit::build(builder, Shape::clip(Shape::LARGE, 14, 224, 768))
        }),
    ],
    names: NAMES,
};

/// Weights of LAION and DataComp.
pub(in super::super) static OPEN_CLIP: Family = Family {
    variants: &[
        clip("vit-b32-openclip", "OpenCLIP ViT-B/32, 224 px", "32×32 patches", |builder, _| {
            Vit::build(builder, Shape::open_clip(Shape::BASE, 32, 224, 512))
        }),
        clip("vit-b16-openclip", "OpenCLIP ViT-B/16, 224 px", "16×16 patches", |builder, _| {
            Vit::build(builder, Shape::open_clip(Shape::BASE, 16, 224, 512))
        }),
        clip("vit-l14-openclip", "OpenCLIP ViT-L/14, 224 px", "14×14 patches", |builder, _| {
            Vit::build(builder, Shape::open_clip(Shape::LARGE, 14, 224, 768))
        }),
    ],
    names: NAMES,
};

/// OpenAI's and open_clip's, with or without the text tower; transformers'; timm's, whose head is the projection.
pub(super) const NAMES: WeightNames = WeightNames {
    layers: &["encoder"],
    towers: &["visual", "vision_model", "visual_projection"],
    renamed: &[
        same("^.visual.", "^."),
        same("^.vision_model.", "^."),
        same("^.visual_projection.", "^.projection."),
        same("^.class_embedding.", "^.cls_token."),
        same("^.positional_embedding.", "^.pos_embed."),
        same("^.conv1.", "^.patch_embed.proj."),
        same("^.ln_pre.", "^.norm_pre."),
        same("^.transformer.resblocks.", "^.blocks."),
        same(".attn.in_proj_", ".attn.qkv."),
        same(".attn.out_proj.", ".attn.proj."),
        same(".ln_1.", ".norm1."),
        same(".ln_2.", ".norm2."),
        same(".mlp.c_fc.", ".mlp.fc1."),
        same(".mlp.c_proj.", ".mlp.fc2."),
        same("^.ln_post.", "^.norm."),
        transposed("^.proj.", "^.projection.weight."),
        // transformers
        same("^.embeddings.class_embedding.", "^.cls_token."),
        same("^.embeddings.position_embedding.weight.", "^.pos_embed."),
        same("^.embeddings.patch_embedding.", "^.patch_embed.proj."),
        same("^.pre_layrnorm.", "^.norm_pre."),
        same("^.encoder.layers.", "^.blocks."),
        block(0, ".self_attn.q_proj.", ".attn.qkv."),
        block(1, ".self_attn.k_proj.", ".attn.qkv."),
        block(2, ".self_attn.v_proj.", ".attn.qkv."),
        same(".self_attn.out_proj.", ".attn.proj."),
        same(".layer_norm1.", ".norm1."),
        same(".layer_norm2.", ".norm2."),
        same("^.post_layernorm.", "^.norm."),
        // timm
        same("^.head.", "^.projection."),
    ],
    // timm's projection has a bias of zeros
    unused: &[".position_ids.", "^.head.bias."],
    heads: &[],
};

impl Shape {
    pub(super) const fn open_clip(size: (i64, usize, i64), patch: i64, image: i64, projected: i64) -> Self {
        Self {
            norm_first: true,
            epsilon: 1e-5,
            projection: Projection::Linear(projected),
            poolings: &[Pooling::Cls, Pooling::Mean, Pooling::ClsMean, Pooling::Projected],
            ..Self::plain(size, patch, image)
        }
    }

    pub(super) const fn clip(size: (i64, usize, i64), patch: i64, image: i64, projected: i64) -> Self {
        Self { activation: Activation::QuickGelu, ..Self::open_clip(size, patch, image, projected) }
    }
}

const fn clip(
    name: &'static str,
    about: &'static str,
    stem: &'static str,
    build: super::Build,
) -> BackboneKind {
    let transform = Transform::photographs(224, 224, Interpolation::Bicubic, Normalise::CLIP);
    variant(name, about, stem, transform, build)
}
