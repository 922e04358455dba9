//! `extractor bench`: every task gets a rate, from this program and from PyTorch where it is there.

use crate::program::{Run, Workplace, files};
use std::process::Command;

const TASKS: [&str; 6] = ["decode", "forward f32", "forward bf16", "step f32", "step bf16", "dump f32"];

/// A short bench whose temporary files go to `tmp/`.
fn bench(place: &Workplace, more: &str) -> Run {
    place.write("tmp/kept", "");
    let line = format!(
        "bench --backbone resnet32 --batch-size 4 --device cpu --threads 1 --seconds 0.02 --rounds 2 --images 8 {more}"
    );
    let output = place.command(&line).env("TMPDIR", place.path("tmp")).output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The numbers of a task's row.
fn numbers(stdout: &str, task: &str) -> Vec<f64> {
    let row =
        stdout.lines().find_map(|line| line.strip_prefix(task)).unwrap_or_else(|| panic!("{task}: {stdout}"));
    row.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn every_task_gets_a_rate_and_nothing_is_left_behind() {
    let place = Workplace::new();
    let run = bench(&place, "");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for task in TASKS {
        let numbers = numbers(&run.stdout, task);
        assert!(numbers.iter().all(|number| number.is_finite() && *number > 0.0), "{task}: {numbers:?}");
        // A dump comes with the forward pass that it is compared with.
        assert_eq!(numbers.len(), if task == "dump f32" { 3 } else { 1 }, "{task}");
    }
    let title = run.stdout.lines().next().unwrap();
    insta::assert_snapshot!(title, @"resnet32 x1, 32×32 pixels, batch 4, cpu, threads 1, channels last; the fastest of 2 rounds of 0.01 s");
    let last = run.stdout.lines().last().unwrap();
    assert!(last.starts_with("peak memory: ") && last.contains("after a dump of 8 image files, "), "{last}");
    assert_eq!(files(&place.path("tmp")).len(), 1, "temporary files are left");
}

#[test]
fn pytorch_does_the_same_tasks() {
    let python = std::env::var("PYTHON_WITH_SAFETENSORS").unwrap_or_else(|_| "python3".to_owned());
    let imports = Command::new(&python).args(["-c", "import torch, PIL, numpy"]).output();
    if !imports.is_ok_and(|output| output.status.success()) {
        println!("skipped: no Python with torch and Pillow (PYTHON_WITH_SAFETENSORS)");
        return;
    }
    let run = bench(&Workplace::new(), &format!("--peer {python}"));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for task in TASKS.into_iter().filter(|task| *task != "dump f32") {
        let numbers = numbers(&run.stdout, task);
        assert_eq!(numbers.len(), 3, "{task}: {}", run.stdout);
        assert!((numbers[0] / numbers[1] - numbers[2]).abs() <= 0.02 * numbers[2], "{task}: {numbers:?}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = Workplace::new();
    let refused = |more: &str| {
        let run = bench(&place, more);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{more}: {}", run.stderr);
        run.stderr
    };
    insta::assert_snapshot!(refused("--peer true"), @"
    error: `--peer`: expected a Python with PyTorch, got `true`: no answer
    hint: `python3 -m pip install torch pillow` in an environment of its own
    ");
    insta::assert_snapshot!(refused("--peer no-such-python"), @"
    error: `--peer`: expected a Python with PyTorch, got `no-such-python`: No such file or directory (os error 2)
    hint: `python3 -m pip install torch pillow` in an environment of its own
    ");
    let other = |line: &str| place.refused(line);
    insta::assert_snapshot!(other("bench --device cpu --seconds 0"), @"
    exit 2
    error: `--seconds`: expected a positive number, got 0
    hint: 6 is enough on a machine that does nothing else
    ");
    insta::assert_snapshot!(other("bench --device cpu --backbone resnet19"), @"
    exit 2
    error: unknown backbone `resnet19`: there are 43, `extractor backbones` lists them
    hint: did you mean `resnet18`?
    ");
    insta::assert_snapshot!(other("bench --device cpu --width 0.3"), @"
    exit 2
    error: `--width`: expected 1, 0.5, 0.25 for resnet18, got 0.3
    hint: `extractor backbones` lists the widths of each backbone
    ");
}
