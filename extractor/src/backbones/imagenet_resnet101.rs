//! ResNet-101 for large images.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, Stem},
};

pub(super) const IMAGENET_RESNET101: BackboneKind = BackboneKind {
    name: "imagenet-resnet101",
    about: "torchvision ResNet-101",
    stem: Stem::ImageNet,
    widths: &[1.0],
    build: |builder, _| ResNet::build(builder, &Shape::bottleneck(&[3, 4, 23, 3], 1, 64)),
};
