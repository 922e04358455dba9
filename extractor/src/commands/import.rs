//! `extractor import`: features of another program become a cache.

use super::{Outcome, install_interrupt, output::say};
use crate::{
    cli::ImportArgs,
    dump::Written,
    error::ExtractError,
    import::{Import, split::ImportedSplit, write},
    place,
};
use cache::{FeatureCache, Split};
use files::text;
use std::{collections::BTreeMap, path::Path};

pub(super) fn run(args: &ImportArgs) -> Result<Outcome, ExtractError> {
    let interrupt = install_interrupt()?;
    place::for_folder(&args.out)?;
    let mut splits = BTreeMap::new();
    for (split, file, pair) in [
        (Split::Train, &args.train, &args.train_npy()),
        (Split::Val, &args.val, &args.val_npy()),
        (Split::Test, &args.test, &args.test_npy()),
    ] {
        if let Some(path) = file {
            splits.insert(split, ImportedSplit::from_file(path)?);
        } else if let Some((features, labels, flipped)) = pair {
            splits.insert(split, ImportedSplit::from_npy(features, labels, *flipped)?);
        }
    }
    let import = Import {
        splits,
        head: args.head.clone(),
        name: args.name.clone(),
        backbone: args.backbone.clone(),
        class_names: args.class_names.clone(),
        fractions: args.fractions.fractions(),
        dtype: args.dtype,
        shard_rows: args.shard_rows.map(std::num::NonZeroUsize::get),
    };
    let written = write(import, &args.out, &interrupt, &say)?;
    if let Ok(cache) = FeatureCache::open(&args.out) {
        cache.manifest().dataset.overlaps.iter().for_each(|overlap| say(&format!("warning: {overlap}")));
    }
    report(written, &args.out);
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
