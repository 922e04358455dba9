//! `extractor verify`: reads every byte of a cache.

use super::{
    Outcome,
    output::{print, say},
};
use crate::{cli::CacheArgs, error::ExtractError};
use indicatif::HumanBytes;
use shared::{FeatureCache, MANIFEST_FILE, Manifest, progress::Progress};
use std::path::Path;

pub(super) fn run(args: &CacheArgs) -> Result<Outcome, ExtractError> {
    let report = check(&args.cache)?;
    for damage in &report.damages {
        print(&format!("damaged: {damage}"))?;
    }
    if report.damages.is_empty() {
        let (files, bytes) = (report.files, HumanBytes(report.bytes));
        print(&format!("ok: {files} files, {bytes}: every checksum is right, every feature is finite"))?;
        return Ok(Outcome::Done);
    }
    say("hint: copy these files or dump the cache again");
    Ok(Outcome::Failed)
}

#[derive(Debug, Default)]
struct Report {
    files: u64,
    bytes: u64,
    /// One text for each thing that is wrong, with the file's name.
    damages: Vec<String>,
}

/// Files first, and features only where the files are in order.
fn check(path: &Path) -> Result<Report, ExtractError> {
    let mut report = Report::default();
    let mut progress = Progress::new("verify", expected_bytes(path));
    let damages = FeatureCache::verify(path, |file| {
        report.files += 1;
        report.bytes += file.bytes;
        progress.advance(file.bytes);
    })?;
    progress.finish();
    report.damages = damages.into_iter().map(|damage| damage.error.to_string()).collect();
    if report.damages.is_empty() {
        report.damages = match FeatureCache::open(path) {
            Err(error) => vec![error.to_string()],
            Ok(cache) => non_finite(&cache),
        };
    }
    Ok(report)
}

fn non_finite(cache: &FeatureCache) -> Vec<String> {
    let ids = cache.manifest().views.keys();
    let checks = ids.map(|id| cache.view(id.split, id.view).and_then(|view| view.check_finite()));
    checks.filter_map(Result::err).map(|error| error.to_string()).collect()
}

/// Length of the progress bar; an unreadable manifest is an error of the check itself.
fn expected_bytes(path: &Path) -> u64 {
    let manifest: Option<Manifest> =
        std::fs::read(path.join(MANIFEST_FILE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let shards = manifest.iter().flat_map(|manifest| manifest.views.values().flat_map(|view| &view.shards));
    shards.fold(0, |sum, shard| sum.saturating_add(shard.file.bytes))
}
