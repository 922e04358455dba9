//! ResNet-18 for large images.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, Stem},
};

pub(super) const IMAGENET_RESNET18: BackboneKind = BackboneKind {
    name: "imagenet-resnet18",
    about: "torchvision ResNet-18",
    stem: Stem::ImageNet,
    widths: &[1.0],
    build: |builder, width| ResNet::build(builder, &Shape::basic(Stem::ImageNet, &[2, 2, 2, 2], width)),
};
