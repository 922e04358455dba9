//! ResNet-152 for large images.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, Stem},
};

pub(super) const IMAGENET_RESNET152: BackboneKind = BackboneKind {
    name: "imagenet-resnet152",
    about: "torchvision ResNet-152",
    stem: Stem::ImageNet,
    widths: &[1.0],
    build: |builder, _| ResNet::build(builder, &Shape::bottleneck(&[3, 8, 36, 3], 1, 64)),
};
