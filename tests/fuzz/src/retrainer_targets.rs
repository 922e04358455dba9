//! What `retrainer` reads: grids, run records, heads.

use super::parts::{Folder, Target};
use ::cache::FeatureCache;
use experiment::{
    plan::{CacheShape, Grid, Precision, Resources, SweepPlan},
    records::RunStore,
    report::{
        FORMATS, Results, Style, TABLES,
        figures::{FIGURES, FigureInput},
    },
    select::Protocol,
};
use std::{fmt::Write, io, path::Path};

/// The targets of this file.
pub const TARGETS: &[Target] = &[("grid", grid), ("records", records), ("head", head)];

/// A grid file, planned over a small cache.
pub fn grid(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(grid) = Grid::parse("fuzz", text) else { return false };
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/caches/tiny");
    let tiny = if Path::new(tiny).exists() {
        tiny
    } else {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/caches/tiny")
    };
    let Ok(cache) = FeatureCache::open(Path::new(tiny)) else { panic!("no cache in {tiny}") };
    let resources = Resources { workers: 2, group_bytes: 1 << 20 };
    let Ok(plan) = SweepPlan::new(&grid, &cache, Precision::F32, resources) else { return false };
    let _ = (plan.to_string(), plan.heads(), CacheShape::of(&cache));
    true
}

/// Records and the manifests of their caches, in parts, to every table and figure.
pub fn records(bytes: &[u8]) -> bool {
    const FILES: [&str; 3] = [
        "one.jsonl",
        "two.jsonl",
        "caches/91f7f19d1cdc8a2c02c159150c154318ac019bb5dd85fbe253e955d1d344bb7d.json",
    ];
    let Ok(folder) = Folder::of_parts(bytes, &FILES) else { return false };
    let Ok(store) = RunStore::open(folder.path()) else { return false };
    let mut messages = String::new();
    for warning in store.warnings() {
        let _ = write!(messages, "{warning}");
    }
    for run in store.runs() {
        let _ = store.record(run);
    }
    // One protocol for an input, or most of the time would go into the same tables again.
    let protocols = [None, Some(Protocol::Last), Some(Protocol::Val), Some(Protocol::BestOnTest)];
    let protocol = protocols[bytes.len() % protocols.len()];
    let Ok(results) = Results::of_store(&store, protocol, None, &[]) else { return false };
    for table in TABLES {
        let tables = (table.build)(&results);
        for format in FORMATS {
            let _ = (format.render)(&tables, Style::default());
        }
    }
    if let Ok((inputs, _)) = FigureInput::read_all(&store, &results) {
        for figure in FIGURES {
            let _ = figure.draw(&inputs);
        }
    }
    !results.is_empty()
}

/// An exported head after two bytes that say for how many features and classes; what is accepted gives a number for each class.
pub fn head(bytes: &[u8]) -> bool {
    let Some((&[dim, classes], bytes)) = bytes.split_first_chunk() else { return false };
    let (dim, classes) = (usize::from(dim), usize::from(classes));
    let accept = || {
        let folder = Folder::new()?;
        let path = folder.write("head.safetensors", bytes)?;
        let Ok((head, _)) = ::cache::head::read(&path, dim, Some(classes)) else { return Ok(false) };
        assert_eq!((head.dim, head.classes), (dim, classes));
        assert_eq!(head.logits(&vec![0.5; dim]).len(), classes);
        Ok::<_, io::Error>(true)
    };
    accept().unwrap_or(false)
}
