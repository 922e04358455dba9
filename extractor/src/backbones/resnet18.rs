//! ResNet-18 for 32×32 images.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, Stem},
};

pub(super) const RESNET18: BackboneKind = BackboneKind {
    name: "resnet18",
    about: "ResNet-18 for CIFAR",
    stem: Stem::Small,
    widths: &[1.0, 0.5, 0.25],
    build: |builder, width| ResNet::build(builder, &Shape::basic(Stem::Small, &[2, 2, 2, 2], width)),
};
