//! Files of other programs, read by names.

use super::*;
use crate::weights::{Layout, ParameterBuilder, Role, block, encode, init::Init, rows, same, transposed};
use cache::head_names::HEADS;
use tch::Device;

static NAMES: WeightNames = WeightNames {
    layers: &[],
    towers: &[],
    renamed: &[same(".shortcut.", ".downsample.")],
    unused: &[],
    heads: &HEADS,
};

fn state_dict(tensors: &[(&str, &[i64])]) -> Result<StateDict, ExtractError> {
    named(tensors, &NAMES)
}

fn named(tensors: &[(&str, &[i64])], names: &'static WeightNames) -> Result<StateDict, ExtractError> {
    let owned: Vec<(String, Tensor)> = tensors
        .iter()
        .map(|(name, shape)| {
            let count = shape.iter().product::<i64>();
            ((*name).to_owned(), Tensor::arange(count, (Kind::Float, Device::Cpu)).reshape(*shape))
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), encode(&owned, String::new()).unwrap()).unwrap();
    StateDict::read(file.path(), names)
}

fn network() -> Parameters {
    let mut builder = ParameterBuilder::unset(Device::Cpu, Layout::ChannelsLast);
    let _ = builder.add("conv1.weight", &[2, 3, 1, 1], Init::Zeros, Role::Weight).unwrap();
    let _ = builder.add("layer1.0.downsample.1.weight", &[4], Init::Zeros, Role::Weight).unwrap();
    builder.finish()
}

#[test]
fn values_arrive_whatever_the_names_and_the_head_is_apart() {
    for (prefix, shortcut, head) in [
        ("", "downsample", "fc"),
        ("module.encoder.", "shortcut", "linear"),
        ("model.", "downsample", "head.fc"),
    ] {
        let names = [
            format!("{prefix}conv1.weight"),
            format!("{prefix}layer1.0.{shortcut}.1.weight"),
            format!("{prefix}bn1.num_batches_tracked"),
            format!("{head}.weight"),
            format!("{head}.bias"),
            "momentum.conv1.weight".to_owned(),
            "epoch.sums".to_owned(),
        ];
        let shapes: [&[i64]; 7] = [&[2, 3, 1, 1], &[4], &[1], &[5, 4], &[5], &[1], &[2]];
        let tensors: Vec<(&str, &[i64])> = names.iter().map(String::as_str).zip(shapes).collect();
        let (dict, network) = (state_dict(&tensors).unwrap(), network());
        dict.copy_into(&network, "test", String::new).unwrap();
        for (_, tensor) in network.named() {
            let count = i64::try_from(tensor.numel()).unwrap();
            assert_eq!(
                Vec::<f32>::try_from(tensor.contiguous().reshape([-1])).unwrap(),
                Vec::<f32>::try_from(Tensor::arange(count, (Kind::Float, Device::Cpu))).unwrap()
            );
        }
        let (head, _) = dict.head(4).unwrap().unwrap();
        assert_eq!((head.classes, head.dim, head.kind), (5, 4, HeadKind::Linear));
        assert_eq!((head.weight[7], head.bias[3]), (7.0, 3.0));
    }
}

/// torchvision's vision transformer has an `encoder` beside other layers; a stripped one would not be found again.
#[test]
fn a_family_keeps_its_own_layers_that_are_called_as_wrappers_are() {
    static TRANSFORMER: WeightNames =
        WeightNames { layers: &["encoder"], towers: &[], renamed: &[], unused: &[], heads: &["heads.head"] };
    let tensors: [(&str, &[i64]); 4] = [
        ("module.encoder.layers.0.ln_1.weight", &[2]),
        ("module.conv_proj.weight", &[2, 3, 1, 1]),
        ("module.heads.head.weight", &[3, 2]),
        ("module.heads.head.bias", &[3]),
    ];
    let dict = named(&tensors, &TRANSFORMER).unwrap();
    let names: Vec<&str> = dict.found.tensors.keys().map(String::as_str).collect();
    assert_eq!(names, ["conv_proj.weight", "encoder.layers.0.ln_1.weight"]);
    assert_eq!(dict.head(2).unwrap().unwrap().0.classes, 3);
    let stripped = state_dict(&tensors).unwrap();
    assert!(stripped.found.tensors.contains_key("layers.0.ln_1.weight"));
}

#[test]
fn cosine_heads_are_recognised_and_heads_of_other_features_refused() {
    let head = |tensors: &[(&str, &[i64])], dim| {
        state_dict(tensors).unwrap().head(dim).map(|head| head.map(|(head, _)| head))
    };
    let normed = head(&[("linear.weight", &[2, 3])], 2).unwrap().unwrap();
    assert_eq!((normed.classes, normed.dim, normed.kind), (3, 2, HeadKind::Cosine));
    assert_eq!(normed.weight, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    let scaled = head(&[("fc.weight", &[3, 2]), ("fc.scale", &[1])], 2).unwrap().unwrap();
    assert_eq!((scaled.classes, scaled.kind), (3, HeadKind::Cosine));
    let ours = head(&[("fc.weight", &[3, 2])], 2).unwrap().unwrap();
    assert_eq!((ours.classes, ours.kind), (3, HeadKind::Cosine));
    assert!(head(&[], 2).unwrap().is_none());
    let columns = head(&[("fc.weight", &[2, 3]), ("fc.bias", &[3])], 2).unwrap().unwrap();
    assert_eq!((columns.classes, columns.kind), (3, HeadKind::Linear));
    for tensors in [
        [("fc.weight", [3_i64, 4].as_slice()), ("fc.bias", &[3])],
        [("fc.weight", &[3, 2]), ("fc.bias", &[2])],
    ] {
        assert!(matches!(head(&tensors, 2), Err(ExtractError::Malformed { .. })), "{tensors:?}");
    }
}

#[test]
fn what_does_not_fit_is_listed_and_nothing_is_copied() {
    let dict = state_dict(&[("module.conv1.weight", &[2, 3, 3, 3]), ("module.conv9.weight", &[1])]).unwrap();
    let mut error = dict.copy_into(&network(), "test", || "hint".to_owned()).unwrap_err();
    if let ExtractError::Malformed { path, .. } = &mut error {
        *path = "file".into();
    }
    insta::assert_snapshot!(
        error.to_string(),
        @"`file`: expected the tensors of `test`, got 1 missing: `layer1.0.downsample.1.weight`; 1 unexpected: `module.conv9.weight`; 1 of another shape: `module.conv1.weight` [2, 3, 3, 3] instead of [2, 3, 1, 1]"
    );
}

#[test]
fn two_networks_in_one_file_are_refused() {
    let error = state_dict(&[("model.conv1.weight", &[1]), ("encoder.conv1.weight", &[1])]).unwrap_err();
    assert!(error.to_string().contains("`encoder.conv1.weight` and `model.conv1.weight`"), "{error}");
}

/// A file of several networks with queries, keys and values apart, a transposed matrix and a class token without position;
/// the numbers are those of `torch.cat`, `.T` and `F.pad`.
#[test]
fn pieces_transposes_and_missing_rows_make_our_tensors_and_other_towers_are_left_out() {
    static TOWER: WeightNames = WeightNames {
        layers: &[],
        towers: &["visual"],
        renamed: &[
            block(0, ".query.", ".qkv."),
            block(1, ".key.", ".qkv."),
            block(2, ".value.", ".qkv."),
            transposed("^.proj.", "^.projection."),
            rows("^.pos.", "^.pos."),
        ],
        unused: &[".mask_token."],
        heads: &[],
    };
    let tensors: [(&str, &[i64]); 7] = [
        ("visual.block.value.weight", &[1, 2]),
        ("visual.block.key.weight", &[1, 2]),
        ("visual.block.query.weight", &[2, 2]),
        ("visual.proj", &[2, 3]),
        ("visual.pos", &[1, 2, 2]),
        ("visual.mask_token", &[4]),
        ("text.proj", &[2]),
    ];
    let network = |rows| {
        let mut builder = ParameterBuilder::unset(Device::Cpu, Layout::ChannelsLast);
        let shapes: [(&str, &[i64]); 3] =
            [("block.qkv.weight", &[4, 2]), ("projection", &[3, 2]), ("pos", &[1, rows, 2])];
        for (name, shape) in shapes {
            let _ = builder.add(name, shape, Init::Zeros, Role::Weight).unwrap();
        }
        builder.finish()
    };
    let dict = named(&tensors, &TOWER).unwrap();
    let filled = network(3);
    dict.copy_into(&filled, "test", String::new).unwrap();
    let values = |tensor: &Tensor| Vec::<f32>::try_from(tensor.reshape([-1])).unwrap();
    let got: Vec<Vec<f32>> = filled.named().map(|(_, tensor)| values(tensor)).collect();
    assert_eq!(got[0], [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(got[1], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(got[2], [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]);
    assert!(!dict.fits(&network(4)) && dict.fits(&network(2)));
    let left_out: Vec<String> = dict.left_out().collect();
    assert!(left_out[0].ends_with("need: `text.proj`, `visual.mask_token`"), "{left_out:?}");
    let twice = named(&[("visual.a.key.weight", &[1]), ("visual.a.b.key.weight", &[1])], &TOWER);
    assert_eq!(twice.unwrap().found.tensors.len(), 2);
    let clash = named(&[("a.query.weight", &[1]), ("a.qkv.weight", &[1])], &TOWER);
    assert!(clash.unwrap_err().to_string().contains("are both `qkv.weight`"));
}
