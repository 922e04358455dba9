//! `extractor inspect`: what a cache holds.

use super::{Outcome, output::print};
use crate::{
    cli::{InspectArgs, InspectFormat},
    error::ExtractError,
};
use cache::{FeatureCache, LeftOut, Shot};
use files::text;
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) fn run(args: &InspectArgs) -> Result<Outcome, ExtractError> {
    let cache = FeatureCache::open(&args.cache)?;
    match args.format {
        InspectFormat::Text => print(summary(&cache).trim_end())?,
        InspectFormat::Json => print(&format!("{:#}", document(&cache)))?,
    }
    Ok(Outcome::Done)
}

fn bytes(cache: &FeatureCache) -> u64 {
    cache.files().iter().map(|file| file.bytes).sum()
}

/// The manifest with what follows from it.
fn document(cache: &FeatureCache) -> Value {
    let counts = cache.class_counts();
    let shots = Shot::ALL.map(|shot| (shot.name().to_owned(), counts.classes_of(shot).len().into()));
    json!({
        "cache_key": cache.cache_key(),
        "bytes": bytes(cache),
        "train_samples": counts.total(),
        "imbalance_ratio": counts.imbalance_ratio(),
        "shots": Value::Object(shots.into_iter().collect()),
        "manifest": cache.manifest(),
    })
}

/// Adds a line to a summary.
type Line<'a> = &'a mut dyn FnMut(&str, &str);

fn summary(cache: &FeatureCache) -> String {
    let mut summary = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(summary, "{name:<20} {}", text::name(value));
    };
    line("cache", &text::path(cache.path()));
    line("cache key", &cache.cache_key());
    samples(cache, &mut line);
    features(cache, &mut line);
    views(cache, &mut line);
    line("total", &HumanBytes(bytes(cache)).to_string());
    summary
}

fn samples(cache: &FeatureCache, line: Line<'_>) {
    let (dataset, counts) = (&cache.manifest().dataset, cache.class_counts());
    line("dataset", &format!("{} ({})", dataset.name, dataset.subset));
    for left_out in &dataset.left_out {
        line("left out", &left_out.to_string());
    }
    // Caches of an earlier program list what could not be read, and nothing else.
    if dataset.left_out.is_empty() && !dataset.skipped.is_empty() {
        let first = dataset.skipped.iter().take(LeftOut::NAMES).cloned().collect();
        let what = "images that could not be read".to_owned();
        line("left out", &LeftOut { what, count: dataset.skipped.len() as u64, first }.to_string());
    }
    for overlap in &dataset.overlaps {
        line("caution", &overlap.to_string());
    }
    let largest = counts.counts().iter().max().copied().unwrap_or(0);
    let smallest = counts.counts().iter().min().copied().unwrap_or(0);
    line("train samples", &format!("{} in {} classes", HumanCount(counts.total()), counts.classes()));
    line(
        "class counts",
        &format!("{largest} … {smallest} (imbalance ratio {})", short(counts.imbalance_ratio())),
    );
    let shots = Shot::ALL.map(|shot| format!("{} {}", counts.classes_of(shot).len(), shot.name()));
    line("class groups", &shots.join(" / "));
}

fn features(cache: &FeatureCache, line: Line<'_>) {
    let manifest = cache.manifest();
    line(
        "features",
        &format!("{} x {}, batch norm {}", manifest.feature_dim, manifest.dtype, plain(&manifest.batch_norm)),
    );
    let backbone = &manifest.backbone;
    let layer = backbone.layer.iter().map(|layer| format!(", read at {layer}"));
    let pooling = backbone.pooling.iter().map(|pooling| format!(", {pooling} pooling"));
    line(
        "backbone",
        &std::iter::once(backbone.architecture.to_string()).chain(layer).chain(pooling).collect::<String>(),
    );
    if !manifest.backbone.weights_digest.is_empty() {
        line("weights", &manifest.backbone.weights_digest);
    }
    line("recipe", &manifest.backbone.recipe.to_string());
    line("stage-1 head", &cache.stage1_head().map_or("none".to_owned(), |head| plain(&head.kind)));
    for (kind, steps) in &manifest.transforms {
        line(&format!("transform {kind}"), &steps.to_string());
    }
    if let Some(images) = &manifest.images {
        line("image files", &format!("{} (`zstd -dc {0}` shows them)", images.file));
    }
}

fn views(cache: &FeatureCache, line: Line<'_>) {
    let manifest = cache.manifest();
    let program = &manifest.program;
    line("written by", &format!("{} {} ({})", program.name, program.version, program.commit));
    for (id, view) in &manifest.views {
        let size: u64 = view.shards.iter().map(|shard| shard.file.bytes).sum();
        let shards = if view.shards.len() == 1 {
            "1 shard".to_owned()
        } else {
            format!("{} shards", view.shards.len())
        };
        line(&id.to_string(), &format!("{} rows, {}, {shards}", HumanCount(view.rows), HumanBytes(size)));
    }
}

/// Two decimals at most.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The name of an enum value as the manifest spells it.
fn plain(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
