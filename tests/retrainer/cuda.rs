//! The same sweep on a CUDA device and on the CPU; skipped, and said so, where there is none.

use crate::program::{Workplace, stderr};
use cache::synthetic::SyntheticCache;
use serde_json::Value;

const GRID: &str = r#"
seeds = [0]
epochs = 3
batch_size = 16
lr = 1e-2
method = [
    { name = "stage1" }, { name = "tau-norm" }, { name = "ncm" }, { name = "ridge" }, { name = "ce" }, { name = "focal" },
    { name = "ldam-drw" }, { name = "balanced-softmax" }, { name = "cb-ce" }, { name = "cb-bce-softmax" },
    { name = "cb-bce-sigmoid" }, { name = "lade" }, { name = "crt" }, { name = "cosine" }, { name = "lws" }, { name = "disalign" },
    { name = "max-norm" }, { name = "lort" },
]
"#;

/// One sample of the test split is a bit less than a point; f32 sums in another order move likelihoods by far less than 1 %.
#[test]
fn a_cuda_device_and_the_cpu_agree() {
    let place = Workplace::new(&SyntheticCache::default());
    let mut command = place.sweep_command(GRID, "on-cpu");
    assert!(command.output().is_ok_and(|output| output.status.success()));
    let cpu = place.records("on-cpu");
    assert_eq!(cpu.len(), 18);
    let grid = place.path("grid.toml");
    let output = place.run(&[
        "sweep",
        "--device",
        "cuda",
        "--cache",
        "cache",
        "--grid",
        grid.to_str().unwrap(),
        "--out",
        "on-cuda",
    ]);
    if stderr(&output).contains("cuda:0 was asked for, but") {
        println!("skipped: no CUDA device works here");
        return;
    }
    assert!(output.status.success(), "{}", stderr(&output));
    let cuda = place.records("on-cuda");
    assert!(cpu.keys().eq(cuda.keys()));
    for (id, record) in &cpu {
        let last = |record: &Value, name: &str| record["metrics"]["last"][name].as_f64().unwrap();
        let (one, other) = (record, &cuda[id]);
        assert_eq!(other["device"], "cuda:0");
        let accuracy = (last(one, "top1.all") - last(other, "top1.all")).abs();
        let likelihood = (last(one, "nll") / last(other, "nll") - 1.0).abs();
        assert!(accuracy < 0.02 && likelihood < 0.01, "{}: {accuracy} {likelihood}", record["method"]);
    }
}
