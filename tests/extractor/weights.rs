//! Backbones that come as files: weights of PyTorch, TorchScript modules, and files that are neither.

use crate::{
    dump::{DATA, MACHINE, features, trained},
    program::Workplace,
};
use cache::{FeatureCache, HeadKind, Split, View};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
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

/// Wrappers of `torch.compile`, `DataParallel` and averaged weights, a counter among the weights, and MiSLAS' factors of the
/// logits: the same features, and a head with the factors in it.
#[test]
fn wrappers_and_book_keeping_of_training_code_are_left_out_and_said() {
    let place = trained();
    let weights = "--backbone resnet18 --width 0.25 --weights";
    place.ok(&dump(&format!("{weights} base/checkpoint.safetensors"), "wrapped-ours"));
    let of = |cache: &str| features(&place.path(cache), Split::Test, View::Clean);
    let head = |cache: &str| FeatureCache::open(&place.path(cache)).unwrap().stage1_head().cloned().unwrap();
    for (file, prefix, fc) in [
        ("compiled", "_orig_mod.", "_orig_mod."),
        ("averaged", "module._orig_mod.", "module._orig_mod."),
        ("momentum-contrast", "module.encoder_q.", "module."),
    ] {
        let path = format!("{file}.safetensors");
        renamed(
            place,
            &path,
            |name| format!("{}{name}", if name.starts_with("fc.") { fc } else { prefix }),
            10,
        );
        let bytes = std::fs::read(place.path(&path)).unwrap();
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        let (count, two) = (7_i64.to_le_bytes(), [2.0_f32; 10].map(f32::to_le_bytes));
        let extra = [
            ("n_averaged", TensorView::new(Dtype::I64, vec![], &count).unwrap()),
            ("module.bn1.num_batches_tracked", TensorView::new(Dtype::I64, vec![], &count).unwrap()),
            ("module.learned_norm", TensorView::new(Dtype::F32, vec![1, 10], two.as_flattened()).unwrap()),
        ];
        let all = stored.iter().chain(extra);
        place.write(&path, safetensors::serialize(all, None).unwrap());
        let out = format!("wrapped-{file}");
        let run = place.ok(&dump(&format!("{weights} {path}"), &out));
        let said = [
            format!("left out of `{path}`, which are no weights: `n_averaged`, `num_batches_tracked`"),
            format!("`module.learned_norm` of `{path}` went into weight and bias"),
        ];
        assert!(said.iter().all(|line| run.stderr.contains(line)), "{}", run.stderr);
        assert_eq!(of(&out), of("wrapped-ours"));
        let (ours, theirs) = (head("wrapped-ours"), head(&out));
        let doubled = |numbers: &[f32]| numbers.iter().map(|number| 2.0 * number).collect::<Vec<f32>>();
        assert_eq!((doubled(&ours.weight), doubled(&ours.bias)), (theirs.weight, theirs.bias));
    }
}

#[test]
fn two_networks_in_one_file_are_told_apart_by_a_command() {
    let place = trained();
    let bytes = std::fs::read(place.path("base/checkpoint.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let network =
        || tensors.iter().filter(|(name, _)| !name.starts_with("momentum.") && !name.starts_with("epoch."));
    for (file, prefixes) in [("pair", ["encoder_q.", "encoder_k."]), ("teacher", ["student.", "teacher."])] {
        let both = prefixes
            .iter()
            .flat_map(|prefix| network().map(move |(name, view)| (format!("{prefix}{name}"), view)));
        place.write(&format!("{file}.safetensors"), safetensors::serialize(both, None).unwrap());
    }
    let refused = |source: &str| {
        place.refused(&dump(&format!("--backbone resnet18 --width 0.25 --weights {source}"), "no-pair"))
    };
    insta::assert_snapshot!(refused("pair.safetensors"), @"
    exit 2
    error: `pair.safetensors`: expected the tensors of `resnet18 x0.25`, got 100 missing: `bn1.bias`, `bn1.running_mean`, `bn1.running_var`, `bn1.weight` and 96 more; 204 unexpected: `encoder_k.bn1.bias`, `encoder_k.bn1.running_mean`, `encoder_k.bn1.running_var`, `encoder_k.bn1.weight` and 200 more
    hint: keep one of them, for example `python3 extractor/convert.py pair.safetensors ONE.safetensors --strip encoder_k. --drop encoder_q.`
    ");
    insta::assert_snapshot!(refused("teacher.safetensors"), @"
    exit 2
    error: `teacher.safetensors`: expected one network, got `student.bn1.bias` and `teacher.bn1.bias`, which are both `bn1.bias` without their prefixes
    hint: keep one of them, for example `python3 extractor/convert.py teacher.safetensors ONE.safetensors --strip teacher. --drop student.`
    ");
}

#[test]
fn weights_that_are_no_finite_numbers_are_refused() {
    let place = trained();
    let bytes = std::fs::read(place.path("base/checkpoint.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut conv = tensors.tensor("conv1.weight").unwrap().data().to_vec();
    conv[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    let shape = tensors.tensor("conv1.weight").unwrap().shape().to_vec();
    for (file, dtype) in [("nan", Dtype::F32), ("whole", Dtype::I32)] {
        let network = |name: &str| !name.starts_with("momentum.") && !name.starts_with("epoch.");
        let changed = tensors.iter().filter(|(name, _)| network(name)).map(|(name, view)| {
            let conv = TensorView::new(dtype, shape.clone(), &conv).unwrap();
            (name, if name == "conv1.weight" { conv } else { view })
        });
        place.write(&format!("{file}.safetensors"), safetensors::serialize(changed, None).unwrap());
    }
    place.write("folder/x", "");
    let refused = |source: &str| {
        place.refused(&dump(&format!("--backbone resnet18 --width 0.25 --weights {source}"), "no-nan"))
    };
    insta::assert_snapshot!(refused("nan.safetensors"), @"
    exit 2
    error: `nan.safetensors`: expected weights that are finite floating-point numbers, got NaN or infinity in `conv1.weight`
    hint: the training that wrote it diverged: take an earlier checkpoint
    ");
    insta::assert_snapshot!(refused("whole.safetensors"), @"
    exit 2
    error: `whole.safetensors`: expected weights that are finite floating-point numbers, got `conv1.weight` of Int
    hint: quantised weights are not read: save those before quantisation
    ");
    insta::assert_snapshot!(refused("folder"), @"
    exit 2
    error: could not read `folder`
    cause: is a directory
    hint: it is a folder: give the name of a file
    ");
    place.write("page.safetensors", "<!DOCTYPE html><html>");
    insta::assert_snapshot!(refused("page.safetensors"), @"
    exit 2
    error: `page.safetensors`: expected a safetensors file, got a web page (HTML)
    hint: download the file itself, not the page about it
    ");
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
    hint: `extractor dump --torchscript FILE` takes modules
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
    insta::assert_snapshot!(place.refused(&dump("--torchscript softmax.pt --keep-last-linear", "module-idle")), @"
    exit 2
    error: `--keep-last-linear`: expected a module that ends in a linear layer, got `softmax.pt`, whose output comes out of another one
    hint: leave it out: it would change nothing
    ");
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

/// Tracing keeps the mode: `fixtures/backbones/record_torchscript.py`.
#[test]
fn modules_traced_in_training_mode_are_refused() {
    let place = trained();
    for name in ["training", "dropout"] {
        place.write(&format!("{name}.pt"), std::fs::read(fixture(&format!("{name}.torchscript"))).unwrap());
        let refused = place.refused(&dump(&format!("--torchscript {name}.pt"), "no-mode"));
        let when = if name == "training" {
            "with the other images of the batch"
        } else {
            "from one run to the next"
        };
        assert!(
            refused.contains("expected features that depend on their image alone, as in evaluation mode"),
            "{refused}"
        );
        assert!(refused.contains(when) && refused.contains("model.eval()"), "{refused}");
    }
    assert!(!place.path("no-mode").exists());
}

/// libtorch compares no checksums, and ends the process on some damaged archives.
#[test]
fn damaged_modules_end_in_an_error() {
    let place = trained();
    let whole = std::fs::read(fixture("logits.torchscript")).unwrap();
    let mut damaged: Vec<Vec<u8>> = (1..8).map(|part| whole[..whole.len() * part / 8].to_vec()).collect();
    for at in (0..whole.len()).step_by(whole.len() / 12) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x55;
        damaged.push(flipped);
    }
    for (number, bytes) in damaged.into_iter().enumerate() {
        place.write("damaged.pt", bytes);
        let run =
            place.run(&dump("--torchscript damaged.pt --keep-last-linear", &format!("damaged-{number}")));
        // A flipped bit between two files changes nothing.
        assert!(matches!(run.code, Some(0 | 2)), "{number}: {:?} {}", run.code, run.stderr);
        assert!(
            run.code == Some(0) || run.stderr.starts_with("error: `damaged.pt`"),
            "{number}: {}",
            run.stderr
        );
        assert!(number >= 7 || run.code == Some(2), "cut module {number} was taken");
    }
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
    error: `base/checkpoint.safetensors`: expected a TorchScript module, got another format
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
import contextlib, io, runpy, sys, types, torch
from safetensors.torch import load_file
state = {"conv1.weight": torch.arange(6.0).reshape(1, 6).T, "bn1.num_batches_tracked": torch.tensor(3)}
wrapped = {"epoch": 3, "state_dict": {"module." + name: value for name, value in state.items()}}
torch.save(wrapped, "wrapped.pth")
script = sys.argv[1]
def run(*arguments):
    """The program, without importing torch once more each time."""
    sys.argv = [script, *arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as stopped:
            code = stopped.code
    return types.SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())
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

def converted(value, *options):
    torch.save(value, "value.pth")
    done = run("value.pth", "value.safetensors", *options)
    assert done.returncode == 0, done.stderr
    return load_file("value.safetensors"), done.stdout

def refused(value, *options):
    if value is not None:
        torch.save(value, "value.pth")
    done = run("value.pth", "value.safetensors", *options)
    assert done.returncode == 2, done.stdout
    return done.stderr

ones = torch.ones(2)
network = {f"layer{i}.{j}.weight": ones * i + j for i in range(1, 5) for j in range(3)}
under = lambda prefix: {prefix + name: tensor for name, tensor in network.items()}
for prefix in ["", "module.", "_orig_mod.", "module._orig_mod.model.backbone.", "model.module."]:
    loaded, said = converted({"state_dict": under(prefix)})
    assert sorted(loaded) == sorted(network) and "left out" not in said, (prefix, sorted(loaded), said)
# MiSLAS: parts, and a number beside them that is no weight.
parts = {"state_dict_model": under("module."), "state_dict_classifier": {"module.fc.weight": ones},
         "state_dict_lws_model": {"module.learned_norm": ones}, "best_acc1": torch.tensor(40.0), "epoch": 3}
loaded, said = converted(parts)
assert sorted(loaded) == sorted([*network, "fc.weight", "learned_norm"]) and "left out: best_acc1" in said, said
# torchvision's averaged weights, and the note that they are there.
averaged = {"model": network, "model_ema": {**under("module."), "n_averaged": torch.tensor(5)}}
loaded, said = converted(averaged)
assert "note: `model` was taken; the file also holds `model_ema`" in said, said
loaded, said = converted(averaged, "--key", "model_ema")
assert sorted(loaded) == sorted(network) and "left out: n_averaged" in said, said
loaded, said = converted({"ema": {"model": network}}, "--key", "ema.model")
assert sorted(loaded) == sorted(network)
# Two networks: named, and chosen by prefixes.
moco = {"state_dict": {**under("module.encoder_q."), **under("module.encoder_k."), "module.queue": ones}}
assert "--strip encoder_q. --drop encoder_k." in refused(moco)
loaded, said = converted(moco, "--strip", "encoder_q.", "--drop", "encoder_k.", "--drop", "queue")
assert sorted(loaded) == sorted(network) and "12 encoder_k., queue" in said, said
assert "--key student, or --key teacher" in refused({"student": under("module."), "teacher": under("backbone.")})
assert "both `layer1.0.weight`" in refused({"state_dict": {**under("model."), **under("ema_model.")}})
assert "no tensor's name starts with `encoder.`" in refused({"state_dict": network}, "--strip", "encoder.")
assert "`a` holds NaN" in refused({"a": torch.tensor([float("nan")]), "b": ones})
# A safetensors file is taken too; NumPy's numbers beside tensors need no code to run.
done = run("value.safetensors", "again.safetensors", "--drop", "layer1.")
assert done.returncode == 0 and len(load_file("again.safetensors")) == 9, done.stderr
try:
    import numpy
    loaded, said = converted({"state_dict": network, "accuracy": numpy.float64(3), "table": numpy.zeros(3)})
    assert len(loaded) == 12
except ImportError:
    pass
# No checkpoint, and a damaged one.
whole = open("value.pth", "rb").read()
flipped = bytearray(whole)
flipped[whole.index(b"value/data/0") + 100] ^= 1
for content, word in [(b"hello", "torch.save"), (b"", "empty"), (b"<!DOCTYPE html>", "web page"), (whole[:len(whole) // 2], "damaged"),
                      (b"version https://git-lfs.github.com/spec/v1", "LFS"), (bytes(flipped), "checksum")]:
    open("value.pth", "wb").write(content)
    message = refused(None)
    assert word in message and message.startswith("error: `value.pth`") and "hint: " in message, message
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
