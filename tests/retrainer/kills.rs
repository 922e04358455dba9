//! `sweep` and `report`, ended at any instant and given again: the same results, and nothing else.

#[path = "../kills.rs"]
mod harness;

use crate::program::Workplace;
use cache::synthetic::SyntheticCache;
use harness::survives;
use std::{path::Path, process::Command, sync::OnceLock};

const GRID: &str = "seeds = [0, 1]\nepochs = 10\n[[method]]\nname = \"ce\"\nlr = [0.01, 0.1]\n[[method]]\nname = \"lort\"\n[[method]]\nname = \"tau-norm\"\n";

fn place() -> &'static Workplace {
    static PLACE: OnceLock<Workplace> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Workplace::new(&SyntheticCache::default());
        assert!(place.sweep(GRID, "runs").status.success());
        place
    })
}

fn retrainer(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrainer"));
    command.args(arguments).current_dir(folder);
    command
}

#[test]
fn sweep() {
    let [cache, grid] = ["cache", "grid.toml"].map(|name| place().path(name).display().to_string());
    let arguments = [
        "sweep",
        "--device",
        "cpu",
        "--workers",
        "1",
        "--group-memory",
        "0",
        "--cache",
        &cache,
        "--grid",
        &grid,
        "--out",
        "runs",
    ];
    survives(
        "sweep",
        |folder| retrainer(folder, &arguments),
        |folder| {
            // By run id: in which file a record lies is no part of the result.
            let text = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: String =
                std::fs::read_dir(folder.join("runs")).into_iter().flatten().flatten().map(text).collect();
            let mut records: Vec<(String, Vec<u8>)> = lines
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .map(|mut record| {
                    record.as_object_mut().unwrap().remove("seconds");
                    (record["run_id"].as_str().unwrap().to_owned(), record.to_string().into_bytes())
                })
                .collect();
            records.sort();
            records
        },
    );
}

#[test]
fn report() {
    let runs = place().path("runs").display().to_string();
    survives(
        "report",
        |folder| retrainer(folder, &["report", &runs, "--all", "--out", "out"]),
        |folder| {
            let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder.join("out"))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| {
                    (
                        entry.file_name().into_string().unwrap(),
                        std::fs::read(entry.path()).unwrap_or_default(),
                    )
                })
                .collect();
            files.sort();
            files
        },
    );
}
