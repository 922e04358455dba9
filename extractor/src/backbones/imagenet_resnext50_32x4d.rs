//! ResNeXt-50 of 32 groups, 4 channels each, for large images.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, Stem},
};

pub(super) const IMAGENET_RESNEXT50_32X4D: BackboneKind = BackboneKind {
    name: "imagenet-resnext50-32x4d",
    about: "torchvision ResNeXt-50 32x4d",
    stem: Stem::ImageNet,
    widths: &[1.0],
    build: |builder, _| ResNet::build(builder, &Shape::bottleneck(&[3, 4, 6, 3], 32, 4)),
};
