//! ResNet-34 for 32×32 images: the backbone of most CIFAR-100-LT numbers called "ResNet-32".
//!
//! # Source
//! Alshammari et al. 2022 (arXiv 2203.14197), whose code LORT's follows. Their stem and head keep PyTorch's default
//! initialisation; here all convolutions are Kaiming normal with fan-out, as torchvision's.

use super::{BackboneKind, resnet::ResNet, resnet18::imagenet_style};

pub(super) const RESNET34: BackboneKind = BackboneKind {
    name: "resnet34",
    about: "ResNet-34 with a 3×3 stem and no max-pool, as LORT uses for CIFAR-100-LT; D = 512 × width",
    widths: &[1.0, 0.5, 0.25],
    build: |builder, width| ResNet::build(builder, &imagenet_style(&[3, 4, 6, 3], width)),
};
