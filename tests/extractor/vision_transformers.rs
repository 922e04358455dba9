//! `dump` of a vision transformer: its own pixels, its poolings, a head of text embeddings, and files of other families.

use crate::{photographs::jpeg, program::Workplace};
use cache::{FeatureCache, HeadKind};
use extractor::{
    backbones::{Backbone, Compute},
    config::Precision,
    weights::{Layout, encode},
};
use tch::{Device, Kind, Tensor};

const DATA: &str = "--dataset folder --data photos --device cpu --threads 1 --dtype f32";
const COMPUTE: Compute =
    Compute { device: Device::Cpu, precision: Precision::F32, layout: Layout::ChannelsFirst };

/// Two classes with two training images and a test image each, and `vit-s32` with drawn weights.
fn workplace() -> Workplace {
    let place = Workplace::new();
    for class in 0..2 {
        for number in 0..3 {
            let part = if number == 2 { "test" } else { "train" };
            place.write(&format!("photos/{part}/class-{class}/{number}.jpg"), jpeg(class, number + class));
        }
    }
    let backbone = Backbone::build("vit-s32", 1.0, 0, COMPUTE).unwrap();
    write(&place, "vit-s32.safetensors", &backbone);
    place
}

fn write(place: &Workplace, name: &str, backbone: &Backbone) {
    let tensors: Vec<(String, Tensor)> = backbone
        .parameters()
        .named()
        .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
        .collect();
    place.write(name, encode(&tensors, String::new()).unwrap());
}

#[test]
fn a_transformer_sees_its_own_pixels_is_pooled_as_asked_and_takes_a_head_of_text() {
    let place = workplace();
    let dump = |more: &str, out: &str| {
        format!("dump --backbone vit-s32 --weights vit-s32.safetensors {DATA} {more} --out {out}")
    };
    place.ok(&dump("", "own"));
    place.ok(&dump("--pool cls+mean", "both"));
    let (own, both) =
        (FeatureCache::open(&place.path("own")).unwrap(), FeatureCache::open(&place.path("both")).unwrap());
    let recorded = |cache: &FeatureCache| (cache.dim(), cache.manifest().backbone.pooling.clone());
    assert_eq!(recorded(&own), (384, None));
    assert_eq!(recorded(&both), (768, Some("cls+mean".to_owned())));
    let clean = "resize(248)|bicubic|centre-crop(224)|normalise(0.5 0.5 0.5,0.5 0.5 0.5)";
    assert_eq!(own.manifest().transforms["clean"].to_string(), clean);
    // The class token's own name is the default, which the manifest leaves out.
    place.ok(&dump("--pool cls", "same"));
    assert_eq!(FeatureCache::open(&place.path("same")).unwrap().cache_key(), own.cache_key());

    let text = Tensor::eye(384, (Kind::Float, Device::Cpu)).narrow(0, 0, 2);
    place.write("text.safetensors", encode(&[("weight".to_owned(), text)], String::new()).unwrap());
    let run = place.ok(&dump("--head text.safetensors", "zero-shot"));
    assert!(run.stderr.contains("it is read as a cosine head"), "{}", run.stderr);
    assert!(!run.stderr.contains("gets no stage-1 head"), "{}", run.stderr);
    let cache = FeatureCache::open(&place.path("zero-shot")).unwrap();
    assert_eq!(cache.stage1_head().map(|head| (head.classes, head.kind)), Some((2, HeadKind::Cosine)));
    assert_ne!(cache.cache_key(), own.cache_key());
    let shard = place.path("zero-shot/test.clean/00000.safetensors");
    let mut bytes = std::fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    place
        .ok("verify zero-shot --repair --weights vit-s32.safetensors --data photos --device cpu --threads 1");
    place.ok("verify zero-shot");
}

#[test]
fn what_a_transformer_is_not_is_said() {
    let place = workplace();
    let refused = |backbone: &str, more: &str| {
        let command =
            format!("dump --backbone {backbone} --weights vit-s32.safetensors {DATA} {more} --out no-cache");
        place.refused(&command)
    };
    insta::assert_snapshot!(refused("vit-s32", "--pool projected"));
    insta::assert_snapshot!(refused("vit-s32", "--layer stage1"));
    insta::assert_snapshot!(refused("vit-s32", "--batch-norm train"));
    insta::assert_snapshot!(refused("vit-b16-dinov2", ""));
    insta::assert_snapshot!(refused("vit-s16", ""));
    insta::assert_snapshot!(refused("convnext-t", ""));
    insta::assert_snapshot!(refused("vit-b32-clip", ""));
    insta::assert_snapshot!(refused("vit-s32", "--resize 240 --crop 240"));
    let small = "dump --backbone vit-s32 --weights vit-s32.safetensors --dataset cifar100 --data photos --out no-cache";
    insta::assert_snapshot!(place.refused(small));
    assert!(!place.path("no-cache").exists());
}
