//! `extractor import`: features of another program become a cache.

use super::{Outcome, install_interrupt, output::say};
use crate::{
    dump::Written,
    error::ExtractError,
    import::{Import, write},
    place,
    settings::ImportRun,
};
use cache::FeatureCache;
use files::text;
use std::path::Path;

pub(super) fn run(settings: ImportRun) -> Result<Outcome, ExtractError> {
    let ImportRun { files, head, name, backbone, class_names, fractions, dtype, shard_rows, out } = settings;
    let interrupt = install_interrupt()?;
    place::for_folder(&out)?;
    let splits = files.iter().map(|(split, files)| Ok((*split, files.read()?)));
    let splits = splits.collect::<Result<_, ExtractError>>()?;
    let import = Import { splits, head, name, backbone, class_names, fractions, dtype, shard_rows };
    let written = write(import, &out, &interrupt, &say)?;
    if let Ok(cache) = FeatureCache::open(&out) {
        cache.manifest().dataset.overlaps.iter().for_each(|overlap| say(&format!("warning: {overlap}")));
    }
    report(written, &out);
    Ok(Outcome::Done)
}

/// Says where the finished cache is.
pub(super) fn report(written: Written, out: &Path) {
    match written {
        Written::Now => say(&format!("wrote `{}`", text::path(out))),
        Written::Before => say(&format!("`{}` is finished already, with the same settings", text::path(out))),
        Written::Part { missing } => say(&format!(
            "this partition of `{}` is written; {missing} shards of others are missing, and the last partition makes it a cache",
            text::path(out)
        )),
    }
}
