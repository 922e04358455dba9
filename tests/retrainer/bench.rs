//! `retrainer bench`: what it prints, not how fast it is.

use crate::program::{Workplace, stderr, stdout};
use cache::synthetic::SyntheticCache;
use std::{fs, os::unix::fs::PermissionsExt};

/// A program in Python's place that prints lines and ends with a code.
fn peer(place: &Workplace, lines: &str, code: i32) {
    let path = place.path("peer");
    fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{lines}\nEND\nexit {code}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn bench(place: &Workplace) -> std::process::Output {
    place.run(&[
        "bench",
        "--cache",
        "cache",
        "--device",
        "cpu",
        "--workers",
        "1",
        "--heads",
        "1,2",
        "--seconds",
        "0.01",
        "--peer",
        "./peer",
    ])
}

#[test]
fn the_peers_rows_stand_beside_ours_with_their_ratios() {
    let place = Workplace::new(&SyntheticCache::default());
    peer(
        &place,
        r#"{"work": "PyTorch", "version": "2.11.0", "threads": 2, "device": "cpu"}
a warning of Python
{"work": "tensors", "kind": "one-at-a-time", "seconds": 1000.0}
{"work": "tensors, one thread", "kind": "one-at-a-time", "seconds": 2000.0}
{"work": "features", "kind": "loader", "seconds": 3000.0}
{"work": "images", "kind": "loader", "left_out": "needs Pillow"}"#,
        0,
    );
    let output = bench(&place);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("a warning of Python"));
    let text = stdout(&output);
    assert!(text.contains("N = 228, D = 12, C = 5, batch 64, 1 workers, f32"), "{text}");
    assert!(text.contains("PyTorch 2.11.0, same run"), "{text}");
    assert!(text.contains("images: left out, needs Pillow"), "{text}");
    let ratio = |start: &str, end: &str| -> f64 {
        let line = text.lines().find(|line| line.ends_with(end)).unwrap_or_else(|| panic!("{text}"));
        line.strip_prefix(start).unwrap().split(' ').next().unwrap().parse().unwrap()
    };
    let (one, loader) = (ratio("", "one head at a time"), ratio("", "with a DataLoader"));
    assert!(one > 1.0 && (loader / one - 3.0).abs() < 0.01, "{text}");
}

#[test]
fn a_peer_that_fails_is_told_by_the_exit_code() {
    let place = Workplace::new(&SyntheticCache::default());
    peer(&place, "ModuleNotFoundError: No module named 'torch'", 1);
    let output = bench(&place);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    fs::remove_file(place.path("peer")).unwrap();
    let output = bench(&place);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("error: could not run `./peer`"), "{}", stderr(&output));
}
