//! Backbones that come as files: weights of PyTorch, TorchScript modules, and files that are neither.

use crate::{
    dump::{DATA, MACHINE, features, trained},
    program::Workplace,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use shared::{FeatureCache, HeadKind, Split, View};
use std::{path::PathBuf, process::Command};

fn dump(source: &str, out: &str) -> String {
    format!("dump {source} {DATA} --data data {MACHINE} --dtype f32 --out {out}")
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/backbones").join(name)
}

/// The weights of `trained()` under other names, with a head of `classes`.
fn renamed(place: &Workplace, file: &str, rename: impl Fn(&str) -> String, classes: usize) {
    let bytes = std::fs::read(place.path("base/checkpoint.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let row = 128 * 4;
    let views: Vec<(String, TensorView<'_>)> = tensors
        .iter()
        .filter(|(name, _)| !name.starts_with("momentum.") && !name.starts_with("epoch."))
        .map(|(name, view)| {
            let view = match name {
                "fc.weight" => {
                    TensorView::new(Dtype::F32, vec![classes, 128], &view.data()[..classes * row]).unwrap()
                }
                "fc.bias" => TensorView::new(Dtype::F32, vec![classes], &view.data()[..classes * 4]).unwrap(),
                _ => view,
            };
            (rename(name), view)
        })
        .collect();
    place.write(file, safetensors::serialize(views, None).unwrap());
}

#[test]
fn names_of_long_tail_code_give_the_same_features_and_head() {
    let place = trained();
    let weights = "--backbone resnet18 --width 0.25 --weights";
    place.ok(&dump(&format!("{weights} base/checkpoint.safetensors"), "named-ours"));
    renamed(
        place,
        "encoder.safetensors",
        |name| match name.strip_prefix("fc.") {
            Some(part) => format!("module.linear.{part}"),
            None => format!("module.encoder.{}", name.replace("downsample", "shortcut")),
        },
        10,
    );
    place.ok(&dump(&format!("{weights} encoder.safetensors"), "named-theirs"));
    let head = |cache: &str| FeatureCache::open(&place.path(cache)).unwrap().stage1_head().cloned();
    for split in Split::ALL {
        let of = |cache: &str| features(&place.path(cache), split, View::Clean);
        assert_eq!(of("named-ours"), of("named-theirs"));
    }
    assert!(head("named-ours").is_some());
    assert_eq!(head("named-ours"), head("named-theirs"));
}

#[test]
fn a_head_of_other_classes_is_left_out_with_a_message() {
    let place = trained();
    renamed(place, "seven.safetensors", str::to_owned, 7);
    let run = place.ok(&dump("--backbone resnet18 --width 0.25 --weights seven.safetensors", "seven"));
    assert!(
        run.stderr.contains(
            "the head in `seven.safetensors` has 7 classes, the data 10: the cache gets no stage-1 head"
        ),
        "{}",
        run.stderr
    );
    assert!(FeatureCache::open(&place.path("seven")).unwrap().stage1_head().is_none());
}

#[test]
fn files_that_are_not_the_weights_asked_for_are_refused() {
    let place = trained();
    let refused = |source: &str| place.refused(&dump(source, "no-weights"));
    insta::assert_snapshot!(refused("--backbone resnet34 --width 0.25 --weights base/checkpoint.safetensors"), @"
    exit 2
    error: `base/checkpoint.safetensors`: expected the tensors of `resnet34 x0.25`, got 80 missing: `layer1.2.bn1.bias`, `layer1.2.bn1.running_mean`, `layer1.2.bn1.running_var`, `layer1.2.bn1.weight` and 76 more
    hint: the file fits `--backbone resnet18 --width 0.25`
    ");
    insta::assert_snapshot!(refused("--backbone resnet18 --weights base/checkpoint.safetensors"), @"
    exit 2
    error: `base/checkpoint.safetensors`: expected the tensors of `resnet18`, got 100 of another shape: `bn1.bias` [16] instead of [64], `bn1.running_mean` [16] instead of [64], `bn1.running_var` [16] instead of [64], `bn1.weight` [16] instead of [64] and 96 more
    hint: the file fits `--backbone resnet18 --width 0.25`
    ");
    place.write("weights.pth", b"PK\x03\x04 archive/data.pkl");
    insta::assert_snapshot!(refused("--backbone resnet18 --weights weights.pth"), @"
    exit 2
    error: `weights.pth`: expected a safetensors file, got a PyTorch pickle
    hint: convert it: `python3 extractor/convert.py weights.pth FILE.safetensors`
    ");
    place.write("old.pth", b"\x80\x02}q\x00.");
    insta::assert_snapshot!(refused("--backbone resnet18 --weights old.pth"), @"
    exit 2
    error: `old.pth`: expected a safetensors file, got a PyTorch pickle
    hint: convert it: `python3 extractor/convert.py old.pth FILE.safetensors`
    ");
    place.write("module.pt", std::fs::read(fixture("logits.torchscript")).unwrap());
    insta::assert_snapshot!(refused("--backbone resnet18 --weights module.pt"), @"
    exit 2
    error: `module.pt`: expected a safetensors file, got a TorchScript module
    hint: give it as `--torchscript FILE`
    ");
    let whole = std::fs::read(place.path("base/checkpoint.safetensors")).unwrap();
    place.write("cut.safetensors", &whole[..whole.len() / 2]);
    insta::assert_snapshot!(refused("--backbone resnet18 --weights cut.safetensors"), @"
    exit 2
    error: `cut.safetensors`: expected a safetensors file, got incomplete metadata, file not fully covered
    hint: the file is damaged or of another format: write it again
    ");
    assert!(!place.path("no-weights").exists());
}

/// The same network with and without its last layer: `fixtures/backbones/record_torchscript.py`.
#[test]
fn the_last_linear_layer_of_a_module_becomes_the_head() {
    let place = trained();
    for name in ["logits", "logits-traced", "features", "softmax"] {
        place.write(&format!("{name}.pt"), std::fs::read(fixture(&format!("{name}.torchscript"))).unwrap());
        place.ok(&dump(&format!("--torchscript {name}.pt"), &format!("module-{name}")));
    }
    place.ok(&dump("--torchscript logits.pt --keep-last-linear", "module-kept"));
    let cache = |name: &str| FeatureCache::open(&place.path(&format!("module-{name}"))).unwrap();
    let clean = |name: &str| features(&place.path(&format!("module-{name}")), Split::Test, View::Clean);
    let head = cache("logits").stage1_head().unwrap().clone();
    assert_eq!((head.classes, head.dim, head.kind), (10, 12, HeadKind::Linear));
    assert_eq!(cache("logits-traced").stage1_head(), Some(&head));
    for name in ["features", "softmax", "kept"] {
        assert!(cache(name).stage1_head().is_none(), "{name}");
    }
    assert_eq!(clean("logits"), clean("features"));
    for (got, expected) in clean("logits-traced").iter().zip(clean("features")) {
        assert!((got - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{got} and {expected}");
    }
    // Closed form: logits = W f + b; 1e-4 covers f32 sums of 12 terms.
    let (rows, logits) = (clean("logits"), clean("kept"));
    for (row, logits) in rows.chunks(12).zip(logits.chunks(10)) {
        for (class, logit) in logits.iter().enumerate() {
            let weight = &head.weight[class * 12..(class + 1) * 12];
            let sum: f32 = weight.iter().zip(row).map(|(w, f)| w * f).sum::<f32>() + head.bias[class];
            assert!((sum - logit).abs() <= 1e-4 * logit.abs().max(1.0), "{sum} and {logit}");
        }
    }
    let sums: Vec<f32> = clean("softmax").chunks(10).map(|row| row.iter().sum()).collect();
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums:?}");
    let digest = blake3::hash(&std::fs::read(fixture("logits.torchscript")).unwrap()).to_hex().to_string();
    assert_eq!(cache("logits").manifest().backbone.weights_digest, digest);
    place.ok("verify module-logits");
}

#[test]
fn modules_that_do_not_give_features_are_refused() {
    let place = trained();
    for name in ["map", "integers", "logits"] {
        place.write(&format!("{name}.pt"), std::fs::read(fixture(&format!("{name}.torchscript"))).unwrap());
    }
    let refused = |source: &str| place.refused(&dump(source, "no-module"));
    insta::assert_snapshot!(refused("--torchscript map.pt"), @"
    exit 2
    error: `map.pt`: expected features [2, D] of floating-point numbers for 2 images, got [2, 12, 15, 15] of Float
    hint: pool and flatten before the end, as in `model.forward_features` of timm
    ");
    insta::assert_snapshot!(refused("--torchscript integers.pt"), @"
    exit 2
    error: `integers.pt`: expected features [2, D] of floating-point numbers for 2 images, got [2, 12] of Int64
    hint: pool and flatten before the end, as in `model.forward_features` of timm
    ");
    insta::assert_snapshot!(refused("--torchscript base/checkpoint.safetensors"), @"
    exit 2
    error: `base/checkpoint.safetensors`: expected a TorchScript module, got Internal torch error: PytorchStreamReader failed reading zip archive: failed finding central directory. This is an internal miniz error. If you are seeing this error, there is a high likelihood that your checkpoint file is corrupted. This can happen if the checkpoint was not saved properly, was transferred incorrectly, or the file was modified after saving.
    hint: export it: `torch.jit.trace(model.eval(), torch.zeros(1, 3, HEIGHT, WIDTH)).save(FILE)`
    ");
    insta::assert_snapshot!(refused("--torchscript nowhere.pt"), @"
    exit 2
    error: could not read `nowhere.pt`
    cause: No such file or directory (os error 2)
    hint: check the path
    ");
    assert!(!place.path("no-module").exists());
}

/// Saves a state dict as PyTorch does, converts it, and compares.
const CONVERT: &str = r#"
import subprocess, sys, torch
from safetensors.torch import load_file
state = {"conv1.weight": torch.arange(6.0).reshape(1, 6).T, "bn1.num_batches_tracked": torch.tensor(3)}
wrapped = {"epoch": 3, "state_dict": {"module." + name: value for name, value in state.items()}}
torch.save(wrapped, "wrapped.pth")
run = lambda *arguments: subprocess.run([sys.executable, sys.argv[1], *arguments], capture_output=True, text=True)
done = run("wrapped.pth", "wrapped.safetensors")
assert done.returncode == 0, done.stderr
loaded = load_file("wrapped.safetensors")
assert list(loaded) == ["conv1.weight"] and torch.equal(loaded["conv1.weight"], state["conv1.weight"])
torch.save(torch.nn.Linear(2, 3), "pickled.pth")
refused = run("pickled.pth", "pickled.safetensors")
assert refused.returncode == 2 and "--run-pickled-code" in refused.stderr, refused.stderr
done = run("pickled.pth", "pickled.safetensors", "--run-pickled-code")
assert done.returncode == 0 and sorted(load_file("pickled.safetensors")) == ["bias", "weight"], done.stderr
torch.save({"epoch": 3}, "nothing.pth")
refused = run("nothing.pth", "nothing.safetensors")
assert refused.returncode == 2 and "no state dict" in refused.stderr, refused.stderr
"#;

#[test]
fn the_converter_turns_pytorch_files_into_safetensors() {
    let python = std::env::var_os("PYTHON_WITH_SAFETENSORS").unwrap_or_else(|| "python3".into());
    let imports = Command::new(&python).args(["-c", "import torch, safetensors.torch"]).output();
    if !imports.is_ok_and(|output| output.status.success()) {
        println!("skipped: no Python with torch and safetensors (PYTHON_WITH_SAFETENSORS)");
        return;
    }
    let place = Workplace::new();
    place.write("here", "");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("convert.py");
    let output = Command::new(&python)
        .args(["-c", CONVERT])
        .arg(script)
        .current_dir(place.path("here").parent().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
