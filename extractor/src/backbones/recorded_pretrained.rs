//! Small networks of timm, torchvision, transformers and open_clip against those projects
//! (`fixtures/backbones/record_pretrained.py`), through files with the projects' own names.

use super::{
    Compute, Pooling, Readout, convnext, pretrained,
    readout::Layer,
    recorded::formula,
    tests::PLAIN,
    vit::{self, tiny},
};
use crate::weights::{Layout, TensorFile, WeightNames, encode};
use cache::BatchNormMode;
use std::{collections::BTreeMap, path::Path};
use tch::Tensor;

/// The tensors of each recorded file: names and shapes.
fn files() -> BTreeMap<&'static str, Vec<(&'static str, Vec<i64>)>> {
    let mut files = BTreeMap::<_, Vec<_>>::new();
    for line in include_str!("../../../fixtures/backbones/pretrained.txt").lines() {
        let [case, name, shape] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let shape = shape.split(',').map(|size| size.parse().unwrap()).collect();
        files.entry(case).or_default().push((name, shape));
    }
    files
}

/// A file of a project, with the formula's numbers under its names.
fn write(tensors: &[(&str, Vec<i64>)]) -> tempfile::NamedTempFile {
    let tensors: Vec<(String, Tensor)> =
        tensors.iter().map(|(name, shape)| ((*name).to_owned(), formula(name, shape))).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), encode(&tensors, String::new()).unwrap()).unwrap();
    file
}

/// Small networks by the first part of a recorded case.
fn networks() -> [(&'static str, &'static WeightNames, super::BackboneKind); 8] {
    let [vit, deit3, dinov2, registers, clip, open_clip, siglip] = tiny::KINDS;
    [
        ("vit", &vit::SUPERVISED.names, vit),
        ("deit3", &vit::SUPERVISED.names, deit3),
        ("dinov2", &vit::DINOV2.names, dinov2),
        ("dinov2-reg4", &vit::DINOV2.names, registers),
        ("clip", &vit::CLIP.names, clip),
        ("openclip", &vit::OPEN_CLIP.names, open_clip),
        ("siglip", &vit::SIGLIP.names, siglip),
        ("convnext", &convnext::FAMILY.names, convnext::TINY),
    ]
}

/// The projects' float64 features, for images of the size whose positions the weights have and of another one; f32 rounding: 1e-4
/// of the largest feature. `convnext.timm.stage2` is the map of a stage, not normalised.
#[test]
fn features_are_those_of_the_projects_by_their_own_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/backbones");
    let recorded = TensorFile::read(&folder.join("pretrained.safetensors")).unwrap();
    let _guard = tch::no_grad_guard();
    let mut checked = 0;
    for (case, tensors) in files() {
        let (family, _) = case.split_once('.').unwrap();
        let networks = networks();
        let (_, names, kind) = networks.iter().find(|(name, ..)| *name == family).unwrap();
        // Its positions are resampled by torchvision's own rule.
        let kind = if case == "vit.torchvision" { &tiny::TORCHVISION } else { kind };
        let file = write(&tensors);
        for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
            let compute = Compute { layout, ..PLAIN };
            let mut backbone = pretrained::read(file.path(), names, kind, 1.0, compute)
                .unwrap_or_else(|error| panic!("{case}: {error}"))
                .backbone;
            let own = |name: &str| name.strip_prefix(case)?.strip_prefix('.').map(str::to_owned);
            for name in recorded.names().unwrap().iter().filter_map(|name| own(name)) {
                let (read, size) = name.rsplit_once('.').unwrap();
                let (height, width) = size.split_once('x').unwrap();
                let readout = match read {
                    "stage2" => Readout { layer: Layer::Stage(2), pooling: None },
                    _ => Readout {
                        layer: Layer::Penultimate,
                        pooling: Some(<Pooling as clap::ValueEnum>::from_str(read, false).unwrap()),
                    },
                };
                backbone.read_at(readout).unwrap();
                let images = formula("images", &[2, 3, height.parse().unwrap(), width.parse().unwrap()]);
                let got = backbone.features(&images, BatchNormMode::Eval).unwrap();
                let expected = recorded.tensor(&format!("{case}.{name}")).unwrap().unwrap();
                assert_eq!(got.size(), expected.size(), "{case} {name}");
                assert_eq!(got.size()[1], i64::try_from(backbone.feature_dim()).unwrap(), "{case} {name}");
                let difference = ((got - &expected).abs().max() / expected.abs().max()).double_value(&[]);
                assert!(
                    difference <= 1e-4,
                    "{case} {name}: differs by {difference:e} of its largest feature"
                );
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 2 * recorded.names().unwrap().len());
}
