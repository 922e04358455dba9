//! What comes from outside and is not what it seems: names that steer a terminal, pipes in the place of files, full devices.

use crate::{import::write_safetensors, program::Workplace};
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    process::{Command, Stdio},
};

#[test]
fn nothing_that_steers_a_terminal_gets_there() {
    let place = Workplace::new();
    let bad = [b"a\x1b[31mb\x07".as_slice(), b"a\nerror: b", b"a\xffb\x1b", "a\u{202e}b\u{200b}".as_bytes()];
    for name in bad {
        for arguments in [
            ["inspect"].as_slice(),
            &["verify"],
            &["unpack"],
            &["train", "--dataset", "cifar10", "--out", "x", "--data"],
            &["nonsense"],
            &["inspect", "--nonsense"],
            &["dump", "--dataset"],
        ] {
            let mut command = place.command("");
            command.args(arguments).arg(OsStr::from_bytes(name));
            if arguments == ["unpack"] {
                command.arg("out");
            }
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            for text in [&output.stdout, &output.stderr] {
                let text = String::from_utf8_lossy(text);
                let raw = |character: char| {
                    (character.is_control() && character != '\n') || "\u{202e}\u{200b}".contains(character)
                };
                assert!(!text.contains(raw), "{arguments:?}: {text:?}");
            }
        }
    }
    // What is shown is the name, escaped.
    let output = place.command("").arg("inspect").arg(OsStr::from_bytes(bad[0])).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with(r"error: `a\u{1b}[31mb\u{7}` is not a feature cache"), "{stderr}");
}

#[test]
fn a_full_device_is_an_error_for_every_command_that_prints() {
    let place = Workplace::new();
    write_safetensors(&place);
    place.ok("import --train train.safetensors --test test.safetensors --out cache");
    for line in [
        "--help",
        "train --help",
        "--version",
        "backbones",
        "datasets",
        "presets",
        "completions bash",
        "inspect cache",
        "inspect cache --format json",
        "verify cache",
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place.command(line).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {stderr}");
        assert!(
            stderr.contains("error: could not write `stdout`") && stderr.contains("hint: free some space"),
            "{line}: {stderr}"
        );
    }
}

/// A reader that has seen enough is no failure.
#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Workplace::new();
    let program = env!("CARGO_BIN_EXE_extractor");
    let script = format!("'{program}' completions bash | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}");
    let output = Command::new("bash").args(["-c", &script]).current_dir(place.path("")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
}

/// Nobody writes to these pipes: whoever opened them to read would wait for ever.
#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_at_once() {
    let place = Workplace::new();
    write_safetensors(&place);
    for name in ["pipe", "cache/manifest.json", "cifar/train.bin"] {
        let path = place.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }
    for line in [
        "inspect cache",
        "verify cache",
        "unpack pipe out",
        "import --train pipe --test test.safetensors --out out",
        "import --train train.safetensors --test test.safetensors --head pipe --out out",
        "import --train-features pipe --train-labels pipe --test test.safetensors --out out",
        "train --dataset list --data data --train-list pipe --test-list pipe --out out",
        "train --dataset cifar100 --data cifar --out out",
        "train --dataset cifar10 --data data --subset index-file --index-file pipe --out out",
        "dump --weights pipe --dataset cifar100 --data cifar --out out",
    ] {
        let mut child = place.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let started = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            if started.elapsed().as_secs() > 60 {
                child.kill().unwrap();
                panic!("`{line}` waits for the pipe");
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(2), "{line}");
    }
}

#[test]
fn numbers_beyond_any_use_are_refused() {
    let place = Workplace::new();
    for line in [
        "dump --dataset cifar10 --data data --out out --augmented 4294967295",
        "train --dataset cifar10 --data data --out out --threads 4294967295",
    ] {
        let refused = place.refused(line);
        assert!(refused.starts_with("exit 2") && refused.contains("4294967295"), "{refused}");
    }
}
