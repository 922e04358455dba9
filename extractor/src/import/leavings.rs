//! What an import that did not finish has left makes way for another one.

use crate::error::ExtractError;
use cache::{CacheError, Dump, Manifest, ShardStore, ViewPlan};
use std::path::Path;

/// Starts the cache, or goes on with an unfinished one of the same files. One of other files is removed first: its files were
/// mended since, and reading them again costs seconds.
///
/// # Errors
/// Those of [`Dump::begin`]; a finished cache stays, and so does an unfinished dump.
pub(super) fn begin(out: &Path, manifest: &Manifest, plans: &[ViewPlan]) -> Result<Dump, ExtractError> {
    match Dump::begin(out, manifest.clone(), plans) {
        Err(CacheError::OtherDump { .. }) if is_unfinished_import(out) => {
            Ok(Dump::Unfinished(Dump::begin_anew(out, manifest.clone(), plans)?))
        }
        begun => Ok(begun?),
    }
}

fn is_unfinished_import(out: &Path) -> bool {
    let Ok(Dump::Unfinished(there)) = Dump::resume(out) else { return false };
    there.manifest().backbone.recipe.get("source").is_some_and(|source| source == "import")
}
