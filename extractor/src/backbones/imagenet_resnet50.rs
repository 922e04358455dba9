//! ResNet-50 for large images.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, Stem},
};

pub(super) const IMAGENET_RESNET50: BackboneKind = BackboneKind {
    name: "imagenet-resnet50",
    about: "torchvision ResNet-50",
    stem: Stem::ImageNet,
    widths: &[1.0],
    build: |builder, _| ResNet::build(builder, &Shape::bottleneck(&[3, 4, 6, 3], 1, 64)),
};
