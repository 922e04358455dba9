//! Every command that writes, ended at any instant and given again: the same bytes, and nothing else.

#[path = "../kills.rs"]
mod harness;

use crate::{
    dump::{DATA, MACHINE, trained},
    import::{rows, safetensors},
    program::{Workplace, cache_files, files},
};
use harness::{Made, survives};
use std::{path::Path, process::Command, sync::OnceLock};

fn extractor(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_extractor"));
    command.args(line.split_whitespace()).current_dir(folder);
    command
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn train() {
    let data = display(&trained().path("data"));
    let line = format!(
        "train {DATA} --data {data} {MACHINE} --backbone resnet18 --width 0.25 --epochs 3 --batch-size 16 --out out"
    );
    let made = |folder: &Path| {
        let without_times = |(name, bytes): (String, Vec<u8>)| {
            let log = name.ends_with("jsonl").then(|| String::from_utf8_lossy(&bytes).into_owned());
            let epochs = log.map(|log| {
                log.lines()
                    .map(|line| line.split("\"seconds\"").next().unwrap().to_owned())
                    .collect::<String>()
            });
            (name, epochs.map_or(bytes, String::into_bytes))
        };
        files(&folder.join("out")).into_iter().map(without_times).collect::<Made>()
    };
    survives("train", |folder| extractor(folder, &line), made);
}

#[test]
fn dump() {
    let [data, base] = ["data", "base"].map(|name| display(&trained().path(name)));
    for batch_norm in ["eval", "train"] {
        let line = format!(
            "dump --checkpoint {base} {DATA} --data {data} {MACHINE} --augmented 3 --batch-size 4 --shard-rows 8 --batch-norm {batch_norm} --out out"
        );
        survives("dump", |folder| extractor(folder, &line), |folder| cache_files(&folder.join("out")));
    }
}

/// An imported cache of some megabytes, and its archive, for commands that would be done at once with less.
fn imported() -> &'static Workplace {
    static PLACE: OnceLock<Workplace> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Workplace::new();
        place.write("train.safetensors", safetensors(&rows(10_000, 0), Some(&rows(10_000, 7)), None));
        place.write("test.safetensors", safetensors(&rows(4000, 100), None, None));
        place.ok("import --train train.safetensors --test test.safetensors --shard-rows 300 --out cache");
        place.ok("pack cache cache.tar.zst");
        place
    })
}

#[test]
fn import() {
    let [train, test] = ["train.safetensors", "test.safetensors"].map(|name| display(&imported().path(name)));
    let line = format!("import --train {train} --test {test} --shard-rows 300 --out out");
    survives("import", |folder| extractor(folder, &line), |folder| cache_files(&folder.join("out")));
}

#[test]
fn pack() {
    let line = format!("pack {} out.tar.zst", display(&imported().path("cache")));
    survives("pack", |folder| extractor(folder, &line), archive_of);
}

fn archive_of(folder: &Path) -> Made {
    let made = files(folder).into_iter();
    made.filter(|(name, _)| name == "out.tar.zst").collect()
}

#[test]
fn unpack() {
    let line = format!("unpack {} out", display(&imported().path("cache.tar.zst")));
    let made =
        |folder: &Path| if folder.join("out").exists() { files(&folder.join("out")) } else { Vec::new() };
    survives("unpack", |folder| extractor(folder, &line), made);
}
