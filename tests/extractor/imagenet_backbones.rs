//! Networks for large images on an image folder: torchvision's weights by file, and a TorchScript module.

use crate::{dump::features, photographs::jpeg, program::Workplace};
use cache::{BatchNormMode, FeatureCache, HeadKind, Split, View};
use extractor::{
    backbones::{Backbone, Compute, pretrained},
    config::Precision,
    images,
    transform::{Normalise, Photo},
    weights::Layout,
};
use safetensors::{Dtype, tensor::TensorView};
use std::path::{Path, PathBuf};
use tch::{CModule, Device, Kind, Tensor};

const CLASSES: u32 = 10;
const DATA: &str =
    "--dataset folder --data photos --resize 40 --crop 32 --device cpu --threads 1 --dtype f32";
const PHOTO: Photo = Photo::new(40, 32);
const COMPUTE: Compute =
    Compute { device: Device::Cpu, precision: Precision::F32, layout: Layout::ChannelsFirst };

/// `photos/train` and `photos/test`, two and one image of each class.
fn folder(place: &Workplace) {
    for class in 0..CLASSES {
        for number in 0..3 {
            let part = if number == 2 { "test" } else { "train" };
            place
                .write(&format!("photos/{part}/class-{class}/{number}.jpg"), jpeg(class % 4, number + class));
        }
    }
}

/// Normalised images `[N, 3, 32, 32]` of a part, read one by one.
fn input(place: &Workplace, part: &str) -> Tensor {
    let mut names: Vec<PathBuf> = Vec::new();
    for class in 0..CLASSES {
        let entries = std::fs::read_dir(place.path(&format!("photos/{part}/class-{class}"))).unwrap();
        let mut images: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        images.sort();
        names.extend(images);
    }
    let pixels: Vec<u8> = names
        .iter()
        .flat_map(|path| PHOTO.clean(&images::read(path, images::MaxPixels::default()).unwrap()).unwrap())
        .collect();
    let rows = i64::try_from(names.len()).unwrap();
    let images = Tensor::from_slice(&pixels).reshape([rows, 32, 32, 3]).permute([0, 3, 1, 2]);
    Normalise::IMAGENET.apply(&images).unwrap()
}

/// Equal to 1e-4 of the largest feature: f32 sums in the order of another memory layout.
fn close(cache: &Path, split: Split, expected: &Tensor) {
    let got = Tensor::from_slice(&features(cache, split, View::Clean)).reshape(expected.size());
    let difference = (got - expected).abs().max() / expected.abs().max();
    assert!(difference.double_value(&[]) <= 1e-4, "{split}: {difference:?}");
}

/// The state dict of torchvision's `resnet18`, by its recorded names, with numbers that keep activations near 1.
fn torchvision_resnet18() -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let recorded = include_str!("../../fixtures/backbones/names.txt");
    let tensors =
        recorded.lines().filter_map(|line| line.strip_prefix("torchvision resnet18 ")).map(|line| {
            let (name, shape) = line.split_once(' ').unwrap();
            let mut shape: Vec<usize> =
                shape.split(',').filter(|size| !size.is_empty()).map(|size| size.parse().unwrap()).collect();
            if name.starts_with("fc.") {
                shape[0] = CLASSES as usize;
            }
            let elements: usize = shape.iter().product();
            let (offset, scale) = match name {
                _ if name.ends_with("running_var") || (name.ends_with("weight") && shape.len() == 1) => {
                    (1.0, 0.3)
                }
                _ if shape.len() < 2 => (0.0, 0.1),
                _ => (0.0, 2.0 / (elements as f32 / shape[0] as f32).sqrt()),
            };
            let wave = |i: usize| ((i * i + 7 * name.len() * i) as f32 * 0.1 % std::f32::consts::TAU).sin();
            (name.to_owned(), shape, (0..elements).map(|i| offset + scale * wave(i)).collect())
        });
    tensors.collect()
}

#[test]
fn weights_of_torchvision_on_an_image_folder_give_their_features_and_head() {
    let place = Workplace::new();
    folder(&place);
    let tensors = torchvision_resnet18();
    assert_eq!(tensors.len(), 122); // len(resnet18().state_dict())
    let views: Vec<(&str, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, shape, numbers)| {
            let bytes = bytemuck::cast_slice(numbers);
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        })
        .collect();
    place.write("resnet18.safetensors", safetensors::serialize(views, None).unwrap());
    place.ok(&format!("dump --backbone imagenet-resnet18 --weights resnet18.safetensors {DATA} --out cache"));
    place.ok("verify cache");
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    assert_eq!((cache.dim(), cache.class_counts().counts()), (512, [2_u64; 10].as_slice()));
    assert_eq!(cache.manifest().backbone.architecture.to_string(), "imagenet-resnet18");
    let stored = |name: &str| &tensors.iter().find(|(other, ..)| other == name).unwrap().2;
    let head = cache.stage1_head().unwrap();
    assert_eq!(
        (&head.weight, &head.bias, head.kind),
        (stored("fc.weight"), stored("fc.bias"), HeadKind::Linear)
    );
    let backbone: Backbone =
        pretrained::load(&place.path("resnet18.safetensors"), "imagenet-resnet18", 1.0, COMPUTE)
            .unwrap()
            .backbone;
    let _guard = tch::no_grad_guard();
    for (part, split) in [("train", Split::Train), ("test", Split::Test)] {
        let expected = backbone.features(&input(&place, part), BatchNormMode::Eval).unwrap();
        close(&place.path("cache"), split, &expected);
    }
    // A deeper network is another file's.
    let refused = place.run(&format!(
        "dump --backbone imagenet-resnet34 --weights resnet18.safetensors {DATA} --out no-cache"
    ));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("the file fits `--backbone imagenet-resnet18`"), "{}", refused.stderr);
    assert!(!place.path("no-cache").exists());
}

#[test]
fn a_torchscript_module_on_an_image_folder_gives_its_features_and_head() {
    let place = Workplace::new();
    folder(&place);
    let fixture = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/backbones/{name}.torchscript"))
    };
    place.write("model.pt", std::fs::read(fixture("logits")).unwrap());
    place.ok(&format!("dump --torchscript model.pt {DATA} --augmented 1 --out cache"));
    place.ok("verify cache");
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    let head = cache.stage1_head().unwrap();
    assert_eq!((cache.dim(), head.classes, head.dim), (12, 10, 12));
    assert_eq!(cache.manifest().backbone.architecture.to_string(), "torchscript");
    let module = CModule::load(fixture("features")).unwrap();
    for (part, split) in [("train", Split::Train), ("test", Split::Test)] {
        let expected = module.forward_ts(&[input(&place, part)]).unwrap();
        assert_eq!(expected.kind(), Kind::Float);
        close(&place.path("cache"), split, &expected);
    }
}
