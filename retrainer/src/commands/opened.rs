//! A cache as commands read it: checked when it is opened, and unchanged since; and a grid for its features.

use super::say;
use crate::error::RetrainError;
use cache::{CacheError, FeatureCache, MANIFEST_FILE, Split, View};
use experiment::plan::{Grid, SCALED_DIGITS, rounded};
use rayon::{ThreadPoolBuilder, prelude::*};
use std::path::Path;

/// Opens a cache and checks that every number of it is finite, and the checksums of files that were written to since it was
/// finished; with `verify` every checksum.
pub(super) fn open_cache(path: &Path, verify: bool) -> Result<FeatureCache, RetrainError> {
    let cache = FeatureCache::open(path)?;
    let damages = if verify { FeatureCache::verify(path, |_| ())? } else { Vec::new() };
    if let Some(damage) = damages.into_iter().next() {
        return Err(damage.error.into());
    }
    if !verify {
        cache.check_written_since()?;
    }
    let views: Vec<_> = Split::ALL
        .into_iter()
        .flat_map(|split| cache.views(split).into_iter().map(move |view| (split, view)))
        .collect();
    let check = |&(split, view): &(Split, View)| cache.view(split, view)?.check_finite();
    // Every byte is read, so on all cores that the system gives; collected in order, so that the same cache always names the
    // same row.
    let checks: Vec<Result<(), CacheError>> = match ThreadPoolBuilder::new().build() {
        Ok(pool) => pool.install(|| views.par_iter().map(check).collect()),
        Err(_) => views.iter().map(check).collect(),
    };
    checks.into_iter().collect::<Result<(), _>>()?;
    for overlap in &cache.manifest().dataset.overlaps {
        say(&format!("warning: {overlap}"));
    }
    Ok(cache)
}

/// An error where the cache is no longer what it was when it was opened: what was measured on it must not be recorded under
/// its key.
pub(super) fn check_unchanged(cache: &FeatureCache) -> Result<(), RetrainError> {
    let Some(file) = cache.first_change() else { return Ok(()) };
    Err(RetrainError::CacheChanged { path: cache.path().to_owned(), file: file.to_owned() })
}

/// The grid for the features of a cache.
pub(super) fn scaled(grid: Grid, cache: &FeatureCache) -> Result<Grid, RetrainError> {
    if !grid.relative {
        return Ok(grid);
    }
    let square = engine::mean_square(cache, grid.normalise)?;
    // Rounded, so that the order of a sum decides no setting; features of zeros have no scale.
    let square = rounded(if square > 0.0 { square } else { 1.0 }, SCALED_DIGITS);
    Ok(grid.scaled(square, cache.class_counts())?)
}

/// Nothing is written into a cache, which others map and check; one of its folders is as much of it.
pub(super) fn refuse_inside_a_cache(out: &Path) -> Result<(), RetrainError> {
    let mut around = out.ancestors().take(3).filter(|folder| !folder.as_os_str().is_empty());
    if around.any(|folder| folder.join(MANIFEST_FILE).is_file()) {
        return Err(RetrainError::InsideCache { path: out.to_owned() });
    }
    Ok(())
}
