//! Where results go, and what names and numbers from outside do to them.

use crate::{
    program::{Workplace, bytes, stderr, stdout, wait_until},
    report::report,
};
use cache::synthetic::SyntheticCache;
use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileTypeExt, symlink},
    path::Path,
    process::{Command, Stdio},
};

const LORT: &str = "epochs = 1\n[[method]]\nname = \"lort\"\n";

/// Writes records of two methods whose names and settings hold `name`, as JSON has it between quotes.
fn forge(runs: &Path, name: &str) {
    crate::figures::write(runs);
    for entry in fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let text = fs::read_to_string(&entry).unwrap();
        let text = text.replace("\"method\":\"ce\"", &format!("\"method\":\"ce{name}\""));
        let text = text.replace("\"cache\":\"caches/demo\"", &format!("\"cache\":\"caches/demo{name}\""));
        fs::write(
            entry,
            text.replace("\"weight_decay\":0.1", &format!("\"weight_decay\":0.1,\"{name}\":\"{name}\"")),
        )
        .unwrap();
    }
    for entry in fs::read_dir(runs.join("caches")).unwrap().map(|entry| entry.unwrap().path()) {
        let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&entry).unwrap()).unwrap();
        let name: String = serde_json::from_str(&format!("\"{name}\"")).unwrap();
        // As a program of before wrote it, without a digest of itself.
        manifest.as_object_mut().unwrap().remove("manifest_blake3");
        manifest["dataset"]["name"] = name.clone().into();
        manifest["backbone"]["architecture"]["name"] = name.into();
        fs::write(entry, serde_json::to_vec(&manifest).unwrap()).unwrap();
    }
}

#[test]
fn names_in_records_steer_no_terminal_run_no_script_and_stop_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    forge(&runs, r"\u001b[2J\u009b31m\r\n\u0000\u202e\ufffe<script>alert(1)</script>|=1+1");
    for arguments in
        [&["--select", "last"][..], &["--format", "markdown"], &["--format", "json"], &["--figure", "fig2a"]]
    {
        let output = report(&runs, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        for text in [stdout(&output), stderr(&output)] {
            let bad = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
            assert!(!text.contains(bad), "{arguments:?}: {text:?}");
        }
    }
    let out = folder.path().join("report");
    let output = report(&runs, &["--all", "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut files = 0;
    for path in fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()) {
        files += 1;
        if path.extension().unwrap() == "png" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\r', '\0', '\u{202e}']), "{}", path.display());
        // CSV is text and nothing else.
        let quoted = path.extension().unwrap() == "csv" || text.contains(r"\<script>alert");
        assert!(quoted || !text.contains("<script>alert"), "{}", path.display());
    }
    assert!(files > 20 && out.join("page.html").exists());
    let unknown = report(&runs, &["--method", "\u{1b}[31mlort"]);
    assert!(stderr(&unknown).contains(r"no run of method `\u{1b}[31mlort`"), "{}", stderr(&unknown));
}

#[test]
fn numbers_in_records_may_be_anything() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    crate::figures::write(&runs);
    for entry in fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let text = fs::read_to_string(&entry).unwrap();
        let counts = format!("\"counts\":[{0},{0},", u64::MAX);
        let text = text.replace("\"counts\":[", &counts).replace("\"width\":", "\"width\":1e300,\"was\":");
        let text = text.replace("\"epoch\":3", &format!("\"epoch\":{}", u32::MAX));
        fs::write(entry, text.replace("\"logits_magnitude.all\":", "\"logits_magnitude.all\":1e30,\"was\":"))
            .unwrap();
    }
    let out = folder.path().join("report");
    let output = report(&runs, &["--all", "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = fs::read_to_string(out.join("leaderboard.md")).unwrap();
    assert!(table.contains("1.00e30") && table.lines().all(|line| line.len() < 400), "{table}");
}

#[test]
fn what_is_no_regular_file_is_written_through_and_stays() {
    let place = Workplace::new(&SyntheticCache::default());
    assert!(place.sweep(LORT, "runs").status.success());
    let id = place.records("runs").into_keys().next().unwrap();
    let export = ["export", "runs", "--run", &id, "--device", "cpu", "--out"];
    let report = ["report", "runs", "--format", "csv", "--out"];
    assert!(place.run(&[&report[..], &["plain"]].concat()).status.success());
    assert!(place.run(&[&export[..], &["head"]].concat()).status.success());
    symlink("plain", place.path("link")).unwrap();
    symlink("head", place.path("head-link")).unwrap();
    for (command, plain, link) in [(&report[..], "plain", "link"), (&export[..], "head", "head-link")] {
        let expected = fs::read(place.path(plain)).unwrap();
        fs::write(place.path(plain), "old").unwrap();
        let to = |path: &str| {
            let output = place.run(&[command, &[path]].concat());
            assert!(output.status.success(), "{path}: {}", stderr(&output));
            output.stdout
        };
        to(link);
        assert!(place.path(link).is_symlink() && fs::read(place.path(plain)).unwrap() == expected);
        to("/dev/null");
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        assert!(to("/dev/stdout") == expected);
        let pipe = place.path(&format!("{plain}-pipe"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        to(pipe.to_str().unwrap());
        assert!(reader.join().unwrap() == expected && fs::metadata(&pipe).unwrap().file_type().is_fifo());
        let full = place.run(&[command, &["/dev/full"]].concat());
        assert_eq!(full.status.code(), Some(2), "{}", stderr(&full));
    }
}

#[test]
fn a_bad_place_for_a_head_is_known_before_it_is_trained() {
    let place = Workplace::new(&SyntheticCache::default());
    assert!(place.sweep(LORT, "runs").status.success());
    let id = place.records("runs").into_keys().next().unwrap();
    for out in ["none/head", "cache", "."] {
        let output = place.run(&["export", "runs", "--run", &id, "--device", "cpu", "--out", out]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(out) && !stderr(&output).contains("device:"), "{}", stderr(&output));
    }
}

#[test]
fn a_full_device_is_an_error_of_every_command_that_prints() {
    let place = Workplace::new(&SyntheticCache::default());
    assert!(place.sweep(LORT, "runs").status.success());
    let id = place.records("runs").into_keys().next().unwrap();
    assert!(
        place.run(&["export", "runs", "--run", &id, "--device", "cpu", "--out", "head"]).status.success()
    );
    let sweep = [
        "sweep",
        "--cache",
        "cache",
        "--grid",
        "grid.toml",
        "--device",
        "cpu",
        "--out",
        "other",
        "--dry-run",
    ];
    let commands: [&[&str]; 12] = [
        &["--help"],
        &["--version"],
        &["sweep", "--help"],
        &["methods"],
        &["methods", "--format", "json"],
        &["completions", "bash"],
        &sweep,
        &["report", "runs"],
        &["report", "runs", "--format", "json"],
        &["report", "runs", "--format", "html"],
        &["evaluate", "--head", "head", "--cache", "cache"],
        &["evaluate", "--head", "head", "--cache", "cache", "--format", "json"],
    ];
    for arguments in commands {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = place.command().args(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("error: could not write `stdout`"),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_cache_that_is_changed_in_place_stops_the_sweep_and_nothing_of_it_is_recorded_since() {
    let place = Workplace::new(&SyntheticCache::default());
    let grid =
        "seeds = [0, 1, 2, 3, 4, 5, 6, 7]\nepochs = 400\nbatch_size = 16\n[[method]]\nname = \"lort\"\n";
    let arguments = ["--workers", "1", "--group-memory", "0"];
    let mut command = place.sweep_command(grid, "runs");
    let running = command.args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("a record", || bytes(&place.path("runs")) > 0);
    // The same bytes: what was read in between might have been others.
    let shard = place.path("cache/train.clean/00000.safetensors");
    let mut file = fs::File::options().read(true).write(true).open(&shard).unwrap();
    let mut last = [0];
    file.seek(SeekFrom::End(-1)).unwrap();
    file.read_exact(&mut last).unwrap();
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(&last).unwrap();
    drop(file);
    let recorded = place.records("runs").len();
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output)
            .contains("error: `cache/train.clean/00000.safetensors` was changed while this command read"),
        "{}",
        stderr(&output)
    );
    assert!(place.records("runs").len() <= recorded + 1, "records of a changed cache");
    let again = place.sweep_command(grid, "runs").args(arguments).output().unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(place.sweep_command(grid, "whole").args(arguments).status().unwrap().success());
    assert!(place.records("runs") == place.records("whole"), "other records than of an untouched cache");
}

#[test]
fn what_a_killed_report_left_goes_when_it_is_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, out) = (folder.path().join("runs"), folder.path().join("report"));
    crate::figures::write(&runs);
    let all = ["--all", "--out", out.to_str().unwrap()];
    assert!(report(&runs, &all).status.success());
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let whole = names();
    for delay in [0, 5, 20, 60, 150] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retrainer"));
        let mut killed = command.arg("report").arg(&runs).args(all).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    fs::write(out.join(".longtail-0123456789aB.tmp"), "of a killed report").unwrap();
    assert!(report(&runs, &all).status.success());
    assert_eq!(names(), whole);
}
