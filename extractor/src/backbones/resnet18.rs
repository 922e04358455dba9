//! ResNet-18 for 32×32 images.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, ShortcutKind},
};
use crate::weights::Init;

pub(super) const RESNET18: BackboneKind = BackboneKind {
    name: "resnet18",
    about: "ResNet-18 with a 3×3 stem and no max-pool; D = 512 × width",
    widths: &[1.0, 0.5, 0.25],
    build: |builder, width| ResNet::build(builder, &imagenet_style(&[2, 2, 2, 2], width)),
};

/// torchvision's stages of 64, 128, 256 and 512 channels, with its initialisation.
pub(super) fn imagenet_style(blocks: &'static [usize], width: f64) -> Shape {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the widths of the list make whole numbers up to 512"
    )]
    let channels = [64.0, 128.0, 256.0, 512.0].map(|channels| (channels * width) as i64).to_vec();
    Shape { blocks, channels, shortcut: ShortcutKind::Projection, init: Init::KaimingNormalFanOut }
}
