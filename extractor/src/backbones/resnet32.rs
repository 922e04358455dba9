//! The CIFAR ResNet-32 of He et al. 2016, as in LDAM-DRW (Cao et al. 2019): 16, 32, 64 channels, shortcuts without parameters.

use super::{
    BackboneKind,
    block::ShortcutKind,
    resnet::{BlockKind, ResNet, Shape, Stem},
};
use crate::weights::Init;

pub(super) const RESNET32: BackboneKind = BackboneKind {
    name: "resnet32",
    about: "CIFAR ResNet-32 of LDAM-DRW",
    stem: Stem::Small,
    widths: &[1.0],
    build: |builder, _| {
        ResNet::build(
            builder,
            &Shape {
                stem: Stem::Small,
                block: BlockKind::Basic,
                blocks: &[5, 5, 5],
                channels: vec![16, 32, 64],
                shortcut: ShortcutKind::PadChannels,
                init: Init::KaimingNormalFanIn,
            },
        )
    },
};
