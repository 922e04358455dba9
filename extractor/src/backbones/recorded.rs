//! What PyTorch computed with these networks (`fixtures/backbones/record.py`), for tests.

use super::{Backbone, Compute};
use crate::weights::{Parameters, TensorFile};
use cache::BatchNormMode;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Number of images and classes that were recorded.
const BATCH: i64 = 8;
pub(crate) const CLASSES: i64 = 10;

/// The recorded networks with their widths.
pub(crate) const NETWORKS: [(&str, f64); 3] = [("resnet18", 0.25), ("resnet34", 0.25), ("resnet32", 1.0)];

/// A backbone with the weights that were recorded, and what came out.
pub(crate) struct Recorded {
    pub(crate) backbone: Backbone,
    pub(crate) images: Tensor, // [8, 3, 32, 32]
    pub(crate) labels: Tensor, // [8]
    file: TensorFile,
}

/// The networks for large images, with torchvision's features `[2, D]` of two 64×64 images.
pub(crate) fn check_imagenet(name: &str, compute: Compute, tolerance: f64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/backbones");
    let file = TensorFile::read(&folder.join("imagenet.safetensors")).unwrap();
    let backbone = Backbone::unset(name, 1.0, compute).unwrap();
    fill(backbone.parameters());
    let _guard = tch::no_grad_guard();
    let images = formula("images", &[2, 3, 64, 64]);
    let (got, expected) =
        (backbone.features(&images, BatchNormMode::Eval).unwrap(), file.tensor(name).unwrap().unwrap());
    assert_eq!(got.size(), expected.size(), "{name}");
    let difference = ((got - &expected).abs().max() / expected.abs().max()).double_value(&[]);
    assert!(difference <= tolerance, "{name}: differs by {difference:e} of its largest feature");
}

impl Recorded {
    pub(crate) fn load(name: &str, width: f64, compute: Compute) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/backbones");
        let file = TensorFile::read(&folder.join(format!("{name}.safetensors"))).unwrap();
        let backbone = Backbone::build(name, width, 0, compute).unwrap();
        fill(backbone.parameters());
        let images = formula("images", &[BATCH, 3, 32, 32]);
        let labels = (Tensor::arange(BATCH, (Kind::Int64, compute.device)) * 3).remainder(CLASSES);
        Self { backbone, images, labels, file }
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<Tensor> {
        self.file.tensor(name).unwrap()
    }

    /// Compares with a recorded tensor; `tolerance` counts in units of its largest absolute value.
    pub(crate) fn check(&self, name: &str, got: &Tensor, tolerance: f64) {
        let expected = self.tensor(name).unwrap();
        assert_eq!(got.size(), expected.size(), "{name}");
        let largest = expected.abs().max().double_value(&[]);
        let difference = (got.detach() - &expected).abs().max().double_value(&[]) / largest;
        assert!(difference <= tolerance, "{name}: differs by {difference:e} of its largest value");
    }
}

/// Sets every parameter to what was recorded.
pub(crate) fn fill(parameters: &Parameters) {
    let _guard = tch::no_grad_guard();
    for (name, tensor) in parameters.named() {
        tensor.shallow_clone().copy_(&formula(name, &tensor.size()));
    }
}

/// `fill` of `record.py`: offset + scale · sin(0.1 · (i + phase)²) in f64, rounded to f32.
pub(super) fn formula(name: &str, shape: &[i64]) -> Tensor {
    let phase: usize = name.bytes().zip(1..).map(|(byte, position)| position * usize::from(byte)).sum();
    let elements = shape.iter().product::<i64>();
    let (offset, scale) = match name {
        _ if name.ends_with("running_var") => (1.0, 0.5),
        _ if name.ends_with("running_mean") => (0.0, 0.1),
        _ if name.ends_with("weight") && shape.len() == 1 => (1.0, 0.3),
        _ if name.ends_with("bias") => (0.0, 0.2),
        "images" => (0.0, 1.5),
        _ => (0.0, 2.0 / (elements as f64 / shape[0] as f64).sqrt()),
    };
    let phase = f64::from(u32::try_from(phase).unwrap());
    let index = Tensor::arange(elements, (Kind::Double, Device::Cpu)) + phase;
    ((&index * &index * 0.1).sin() * scale + offset).to_kind(Kind::Float).reshape(shape)
}
