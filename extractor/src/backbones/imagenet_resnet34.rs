//! ResNet-34 for large images.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, Stem},
};

pub(super) const IMAGENET_RESNET34: BackboneKind = BackboneKind {
    name: "imagenet-resnet34",
    about: "torchvision ResNet-34",
    stem: Stem::ImageNet,
    widths: &[1.0],
    build: |builder, width| ResNet::build(builder, &Shape::basic(Stem::ImageNet, &[3, 4, 6, 3], width)),
};
