//! Runs the program in a folder of its own, so that paths in its output are short and the same everywhere.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A folder that a test works in; removed at its end.
pub(crate) struct Workplace(tempfile::TempDir);

/// What a run of the program left.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The program with the words of `line` as its arguments, ready to start.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_extractor"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Run {
        let output = self.command(line).output().unwrap();
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs what must succeed.
    pub(crate) fn ok(&self, line: &str) -> Run {
        let run = self.run(line);
        assert_eq!(run.code, Some(0), "extractor {line}\n{}", run.stderr);
        run
    }

    /// Runs what must fail before it starts: its exit status and stderr, for a snapshot.
    pub(crate) fn refused(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!(run.stdout, "", "extractor {line} printed data");
        format!("exit {}\n{}", run.code.unwrap_or(-1), run.stderr.trim_end())
    }
}

/// Names and bytes of files.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// Every file below a folder with its bytes, in name order.
pub(crate) fn files(folder: &Path) -> Files {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(
                files(&entry.path()).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)),
            );
        } else {
            found.push((name, std::fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

/// Files of a cache without the time at which it was finished, and without the digest that covers it.
pub(crate) fn cache_files(folder: &Path) -> Files {
    let without_time = |(name, bytes): (String, Vec<u8>)| {
        if name != "manifest.json" {
            return (name, bytes);
        }
        let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        for key in ["created_unix", "manifest_blake3"] {
            assert!(manifest.as_object_mut().unwrap().remove(key).is_some(), "{key}");
        }
        (name, manifest.to_string().into_bytes())
    };
    files(folder).into_iter().map(without_time).collect()
}
