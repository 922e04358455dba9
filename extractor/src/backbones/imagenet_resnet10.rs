//! ResNet-10 for large images.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, Stem},
};

pub(super) const IMAGENET_RESNET10: BackboneKind = BackboneKind {
    name: "imagenet-resnet10",
    about: "ResNet-10 for ImageNet-LT, as OLTR and cRT use",
    stem: Stem::ImageNet,
    widths: &[1.0],
    build: |builder, width| ResNet::build(builder, &Shape::basic(Stem::ImageNet, &[1, 1, 1, 1], width)),
};
