//! ResNet-34 for 32×32 images: the backbone of most CIFAR-100-LT numbers called "ResNet-32".
//!
//! # Source
//! Alshammari et al. 2022 (arXiv 2203.14197), whose code LORT's follows. Its convolutions start as torchvision's, Kaiming normal
//! by fan-out; [`Initialisation`](crate::weights::Initialisation) has the published variants.

use super::{
    BackboneKind,
    resnet::{ResNet, Shape, Stem},
};

pub(super) const RESNET34: BackboneKind = BackboneKind {
    name: "resnet34",
    about: "ResNet-34 for CIFAR, as LORT uses",
    stem: Stem::Small,
    widths: &[1.0, 0.5, 0.25],
    build: |builder, width| ResNet::build(builder, &Shape::basic(Stem::Small, &[3, 4, 6, 3], width)),
};
