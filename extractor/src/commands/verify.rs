//! `extractor verify`: reads every byte of a cache, and computes damaged files again.

use super::{
    Outcome, install_interrupt, machine,
    output::{print, say},
};
use crate::{
    dump::{Recorded, repair},
    error::ExtractError,
    frozen::Loading,
    settings::{Repair, Verify},
    threads,
};
use cache::{CacheError, FeatureCache, FileInfo, LeftOut, MANIFEST_FILE, Manifest, unlisted};
use files::{FileError, regular, text};
use indicatif::HumanBytes;
use program::progress::Progress;
use std::path::Path;

pub(super) fn run(Verify { cache, repair }: &Verify) -> Result<Outcome, ExtractError> {
    if let Some(repair) = repair {
        // Before the check, which would come twice otherwise.
        threads::restart_with_settings(repair.machine.threads);
    }
    let mut report = check(cache)?;
    print_damages(&report)?;
    warn_of_unlisted(cache);
    if let Some(repair) = repair
        && !report.damaged.is_empty()
    {
        let damaged = std::mem::take(&mut report.damaged);
        say(&format!("files to compute again: {}", damaged.len()));
        write_again(cache, repair, damaged)?;
        report = check(cache)?;
        print_damages(&report)?;
    }
    if report.damages.is_empty() {
        let (files, bytes) = (report.files, HumanBytes(report.bytes));
        print(&format!("ok: {files} files, {bytes}: every checksum is right, every feature is finite"))?;
        if !report.sealed {
            say(
                "note: the manifest is of an earlier version and carries no digest of itself: an edit of it would go unnoticed",
            );
        }
        return Ok(Outcome::Done);
    }
    say(report.hint());
    Ok(Outcome::Failed)
}

/// Names what lies in the folder and is not of the cache: nobody checked it.
fn warn_of_unlisted(cache: &Path) {
    let others = manifest(cache).map(|manifest| unlisted(cache, &manifest)).unwrap_or_default();
    if others.is_empty() {
        return;
    }
    let first: Vec<String> =
        others.iter().take(LeftOut::NAMES).map(|name| format!("`{}`", text::name(name))).collect();
    let more = match others.len().saturating_sub(LeftOut::NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (cache, first) = (text::path(cache), first.join(", "));
    say(&format!("warning: in `{cache}` and not in its manifest, so not checked: {first}{more}"));
}

fn print_damages(report: &Report) -> Result<(), ExtractError> {
    report.damages.iter().try_for_each(|damage| print(&text::lines(damage)))
}

/// Computes damaged files again, with the settings of the manifest.
fn write_again(cache: &Path, settings: &Repair, damaged: Vec<FileInfo>) -> Result<(), ExtractError> {
    let interrupt = install_interrupt()?;
    let there = manifest(cache)?;
    let device = machine::prepare(&settings.machine)?;
    let recorded = Recorded::of(&there)?;
    let dump = settings.settings(&there, &recorded, device)?;
    let dataset = settings.dataset(&there)?;
    let frozen = settings.source(&recorded).load(Loading {
        compute: settings.machine.compute(device),
        dataset: &dataset,
        readout: recorded.readout,
        head: None,
        interrupt: &interrupt,
        tell: say,
    })?;
    let frozen = frozen.beside_head(recorded.head_digest);
    repair(&frozen, &dataset, &dump, cache, damaged, &interrupt)
}

#[derive(Debug, Default)]
struct Report {
    files: u64,
    bytes: u64,
    /// One text for each thing that is wrong, with the file's name.
    damages: Vec<String>,
    /// The damaged files.
    damaged: Vec<FileInfo>,
    /// Whether something could not be read, which says nothing about its bytes.
    unreadable: bool,
    /// Whether the manifest carries a digest of itself.
    sealed: bool,
}

impl Report {
    fn hint(&self) -> &'static str {
        if self.unreadable {
            "hint: what could not be read was not checked: see to permissions and the disk, and verify again"
        } else if self.damaged.iter().any(|file| file.file == MANIFEST_FILE) {
            "hint: a manifest is not edited by hand: restore it from a copy, or make the cache again"
        } else {
            "hint: copy these files or dump the cache again; `--repair` computes damaged files again"
        }
    }
}

/// One thing that is wrong; what the system refused is not damage.
fn describe(error: &CacheError) -> String {
    match error {
        CacheError::File(FileError::Io { source, .. }) => format!("unreadable: {error}: {source}"),
        _ => format!("damaged: {error}"),
    }
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
    report.damaged = damages.iter().map(|damage| damage.file.clone()).collect();
    report.unreadable =
        damages.iter().any(|damage| matches!(damage.error, CacheError::File(FileError::Io { .. })));
    report.damages = damages.iter().map(|damage| describe(&damage.error)).collect();
    if report.damages.is_empty() {
        report.damages = match FeatureCache::open(path) {
            Err(error) => vec![describe(&error)],
            Ok(cache) => {
                report.sealed = cache.is_sealed();
                non_finite(&cache)
            }
        };
    }
    Ok(report)
}

fn non_finite(cache: &FeatureCache) -> Vec<String> {
    let ids = cache.manifest().views.keys();
    let checks = ids.map(|id| cache.view(id.split, id.view).and_then(|view| view.check_finite()));
    checks.filter_map(Result::err).map(|error| describe(&error)).collect()
}

/// Length of the progress bar; an unreadable manifest is an error of the check itself.
fn expected_bytes(path: &Path) -> u64 {
    let manifest = manifest(path).ok();
    manifest.iter().flat_map(Manifest::files).fold(0, |sum, file| sum.saturating_add(file.bytes))
}

fn manifest(cache: &Path) -> Result<Manifest, CacheError> {
    let path = cache.join(MANIFEST_FILE);
    let text = regular::read(&path).map_err(|source| FileError::io("read", &path, source))?;
    Manifest::from_text(&path, &text)
}
