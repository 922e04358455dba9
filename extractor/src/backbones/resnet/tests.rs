//! The networks against what was published and what PyTorch computed.

use super::*;
use crate::{
    backbones::{
        Backbone, Compute, Outline,
        recorded::{self, NETWORKS, Recorded},
        tests::PLAIN,
    },
    weights::{Initialisation, Layout},
};
use tch::Kind;

/// Root mean square of a weight by its name, outputs and inputs of one position.
type Spread<'a> = &'a dyn Fn(&str, f64, f64) -> f64;

/// Root mean square of each convolution, against Kaiming normal by fan-out (LTWB's, but its stem), by fan-in (LDAM-DRW's
/// network) and PyTorch's default; at least 432 draws each: 15 %. The start before there was a choice stays bit for bit.
#[test]
fn convolutions_start_as_published() {
    let measured = |name, width, initialisation: Initialisation| {
        let backbone = Backbone::initialised(name, width, 3, initialisation, PLAIN).unwrap();
        let rms = |(name, tensor): (&str, &Tensor)| {
            let &[outputs, inputs, height, width] = tensor.size().as_slice() else { return None };
            let rms = tensor.square().mean(Kind::Double).sqrt().double_value(&[]);
            Some((name.to_owned(), (outputs * height * width) as f64, (inputs * height * width) as f64, rms))
        };
        backbone.parameters().weights().filter_map(rms).collect::<Vec<_>>()
    };
    let fan_out = |_: &str, out: f64, _: f64| (2.0 / out).sqrt();
    let fan_in = |_: &str, _: f64, inputs: f64| (2.0 / inputs).sqrt();
    let pytorch = |_: &str, _: f64, inputs: f64| (1.0 / (3.0 * inputs)).sqrt();
    let ltwb = |name: &str, out: f64, inputs: f64| {
        if name == "conv1.weight" { pytorch(name, out, inputs) } else { fan_out(name, out, inputs) }
    };
    let cases: [(&str, f64, Initialisation, Spread<'_>); 5] = [
        ("resnet34", 0.25, Initialisation::Architecture, &fan_out),
        ("resnet34", 0.25, Initialisation::Ltwb, &ltwb),
        ("resnet34", 0.25, Initialisation::Pytorch, &pytorch),
        ("resnet32", 1.0, Initialisation::Architecture, &fan_in),
        ("imagenet-resnet10", 1.0, Initialisation::Ltwb, &fan_out),
    ];
    for (name, width, initialisation, expected) in cases {
        for (parameter, out, inputs, rms) in measured(name, width, initialisation) {
            let ratio = rms / expected(&parameter, out, inputs);
            assert!((ratio - 1.0).abs() < 0.15, "{name} {initialisation:?} {parameter}: {ratio}");
        }
    }
}

/// Counted by hand from the layers: published as 21.3 M (with its head of 51,300) and 0.46 M parameters.
#[test]
fn parameter_counts_are_the_published_ones() {
    let count = |name| Backbone::build(name, 1.0, 0, PLAIN).unwrap().parameters().weight_count();
    assert_eq!(count("resnet34") + 51_300, 21_328_292);
    assert_eq!(count("resnet32"), 463_504);
}

/// torchvision's published counts, `sum(p.numel() for p in model.parameters())`, with their head of 1,000 classes.
#[test]
fn parameter_counts_for_large_images_are_those_of_torchvision() {
    for (name, published) in [
        ("imagenet-resnet18", 11_689_512),
        ("imagenet-resnet34", 21_797_672),
        ("imagenet-resnet50", 25_557_032),
        ("imagenet-resnet101", 44_549_160),
        ("imagenet-resnet152", 60_192_808),
        ("imagenet-resnext50-32x4d", 25_028_904),
    ] {
        let Outline { feature_dim: dim, parameters, .. } =
            BackboneKind::named(name).unwrap().outline(1.0).unwrap();
        assert_eq!(parameters.weight_count() + 1_000 * (dim + 1), published, "{name}");
    }
}

/// torchvision's float64 features on the same weights and images, `fixtures/backbones/record_imagenet.py`; f32 rounding
/// through 152 layers: 1e-4 of the largest feature.
#[test]
fn features_of_large_images_are_those_of_torchvision() {
    for kind in FAMILY.variants.iter().filter(|kind| kind.images == ImageSize::Large) {
        recorded::check_imagenet(kind.name, PLAIN, 1e-4);
    }
    for name in ["imagenet-resnet10", "imagenet-resnext50-32x4d"] {
        recorded::check_imagenet(name, Compute { layout: Layout::ChannelsLast, ..PLAIN }, 1e-4);
    }
}

/// Every name and shape of torchvision's and timm's state dicts is one of ours: `fixtures/backbones/names.txt`.
#[test]
fn names_are_those_of_torchvision_and_timm() {
    let recorded = include_str!("../../../../fixtures/backbones/names.txt");
    for (model, name) in [("resnet18", "imagenet-resnet18"), ("resnext50_32x4d", "imagenet-resnext50-32x4d")]
    {
        let Outline { parameters, .. } = BackboneKind::named(name).unwrap().outline(1.0).unwrap();
        let mut ours: Vec<String> = parameters
            .named()
            .map(|(name, tensor)| {
                let shape: Vec<String> = tensor.size().iter().map(i64::to_string).collect();
                format!("{name} {}", shape.join(","))
            })
            .collect();
        ours.sort_unstable();
        for library in ["torchvision", "timm"] {
            let prefix = format!("{library} {model} ");
            let mut theirs: Vec<&str> = recorded
                .lines()
                .filter_map(|line| line.strip_prefix(&prefix))
                .filter(|line| !line.starts_with("fc.") && !line.contains("num_batches_tracked"))
                .collect();
            theirs.sort_unstable();
            assert_eq!(ours, theirs, "{library}");
        }
    }
}

/// PyTorch's float64 features on the same weights, with perturbed statistics and with those of the batch:
/// `fixtures/backbones/record.py`. f32 rounding through 34 layers: 1e-4 of the largest feature or statistic.
#[test]
fn features_and_running_statistics_are_those_of_pytorch() {
    let _guard = tch::no_grad_guard();
    for (name, width) in NETWORKS {
        for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
            let recorded = Recorded::load(name, width, Compute { layout, ..PLAIN });
            for (mode, expected) in
                [(BatchNormMode::Eval, "eval.features"), (BatchNormMode::Train, "train.features")]
            {
                let features = recorded.backbone.features(&recorded.images, mode).unwrap();
                recorded.check(expected, &features, 1e-4);
            }
            let named = recorded.backbone.parameters().named();
            let statistics: Vec<_> = named.filter(|(name, _)| name.contains("running")).collect();
            assert!(statistics.len() >= 40);
            for (name, tensor) in statistics {
                recorded.check(&format!("train.{name}"), tensor, 1e-4);
            }
        }
    }
}
