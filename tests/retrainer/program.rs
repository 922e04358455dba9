//! Running the program as a user does.

use cache::synthetic::SyntheticCache;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A folder of its own with a synthetic cache in it.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    pub fn new(cache: &SyntheticCache) -> Self {
        let folder = tempfile::tempdir().unwrap();
        cache.write(&folder.path().join("cache")).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, started in the folder, so that messages hold relative paths only.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retrainer"));
        command.current_dir(self.folder.path()).env("NO_COLOR", "1");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Sweeps a grid over the cache into the folder `runs`.
    pub fn sweep(&self, grid: &str, runs: &str) -> Output {
        self.sweep_command(grid, runs).output().unwrap()
    }

    pub fn sweep_command(&self, grid: &str, runs: &str) -> Command {
        std::fs::write(self.path("grid.toml"), grid).unwrap();
        let mut command = self.command();
        command.args(["sweep", "--device", "cpu", "--cache", "cache", "--grid", "grid.toml", "--out", runs]);
        command
    }

    /// All records of a folder by run id, without what differs from run to run.
    pub fn records(&self, runs: &str) -> BTreeMap<String, serde_json::Value> {
        let mut records = BTreeMap::new();
        for entry in std::fs::read_dir(self.path(runs)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for line in text.lines() {
                let Ok(mut record) = serde_json::from_str::<serde_json::Value>(line) else { continue };
                record.as_object_mut().unwrap().remove("seconds");
                let id = record["run_id"].as_str().unwrap().to_owned();
                assert!(records.insert(id, record).is_none(), "a run was recorded twice");
            }
        }
        records
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until something is seen, at most a minute.
pub fn wait_until(what: &str, mut seen: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !seen() {
        assert!(started.elapsed().as_secs() < 60, "{what} was not seen");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Bytes of all files of a folder; 0 where there is none.
pub fn bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(|metadata| metadata.is_file())
        .map(|metadata| metadata.len())
        .sum()
}
