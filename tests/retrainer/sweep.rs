use crate::support::SyntheticCache;
use std::{path::Path, process::Command};

const GRID: &str = r#"
seeds = [0, 1]
epochs = 3
batch_size = 16

[[method]]
name = "stage1"

[[method]]
name = "tau-norm"
tau = [0.5, 1.0]

[[method]]
name = "lort"
delta = [0.5, 0.98]
lr = [1e-3, 1e-2]

[[method]]
name = "focal"
lr = 1e-2
weight_decay = [0.0, 1e-2]
"#;

fn retrainer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_retrainer"))
}

fn sweep(cache: &Path, grid: &str, runs: &Path) -> std::process::Output {
    let file = runs.with_extension("toml");
    std::fs::write(&file, grid).unwrap();
    retrainer()
        .args(["sweep", "--device", "cpu", "--cache"])
        .arg(cache)
        .arg("--grid")
        .arg(&file)
        .arg("--out")
        .arg(runs)
        .output()
        .unwrap()
}

#[test]
fn a_sweep_records_every_head_once_and_resumes_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, runs) = (folder.path().join("cache"), folder.path().join("runs"));
    SyntheticCache::default().write(&cache);
    let output = sweep(&cache, GRID, &runs);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("15 heads recorded"), "{stderr}");
    let again = sweep(&cache, GRID, &runs);
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to do"), "{again:?}");
}
