//! Small transformers of every family, for tests against recorded ones.

use super::{BackboneKind, Shape, Transform, Vit, variant};

/// Numbers of a token, blocks and heads.
const SIZE: (i64, usize, i64) = (32, 2, 2);
/// Sides of patches and images, and numbers of CLIP's projection.
const PATCH: i64 = 8;
const IMAGE: i64 = 32;
const TEXT: i64 = 24;

const fn tiny(build: super::Build) -> BackboneKind {
    variant("tiny", "", "", Transform::PHOTOGRAPHS, build)
}

/// As the family of labels, DeiT III, DINOv2 without and with registers, CLIP, OpenCLIP, SigLIP.
pub(in super::super) const KINDS: [BackboneKind; 7] = [
    tiny(|builder, _| Vit::build(builder, Shape::plain(SIZE, PATCH, IMAGE))),
    tiny(|builder, _| Vit::build(builder, Shape { patch: PATCH, image: IMAGE, ..Shape::deit3(SIZE) })),
    tiny(|builder, _| Vit::build(builder, Shape { patch: PATCH, image: IMAGE, ..Shape::dinov2(SIZE) })),
    tiny(|builder, _| {
        Vit::build(builder, Shape { patch: PATCH, image: IMAGE, ..Shape::dinov2_with_registers(SIZE) })
    }),
    tiny(|builder, _| Vit::build(builder, Shape::clip(SIZE, PATCH, IMAGE, TEXT))),
    tiny(|builder, _| Vit::build(builder, Shape::open_clip(SIZE, PATCH, IMAGE, TEXT))),
    tiny(|builder, _| Vit::build(builder, Shape::siglip(SIZE, PATCH, IMAGE))),
];

/// As torchvision's.
pub(in super::super) const TORCHVISION: BackboneKind =
    tiny(|builder, _| Vit::build(builder, Shape { image: IMAGE, ..Shape::torchvision(SIZE, PATCH) }));
