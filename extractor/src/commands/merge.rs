//! `extractor merge`: the shards of all partitions become a cache.

use super::{Outcome, import::report, output::say};
use crate::{cli::MergeArgs, dump::Written, error::ExtractError};
use cache::{Dump, FeatureCache};
use files::text;

pub(super) fn run(args: &MergeArgs) -> Result<Outcome, ExtractError> {
    let Dump::Unfinished(writer) = Dump::resume(&args.cache)? else {
        say(&format!("`{}` is finished already", text::path(&args.cache)));
        return Ok(Outcome::Done);
    };
    writer.finish()?;
    // No data set was at hand to compare samples with: opening checks that the views agree.
    FeatureCache::open(&args.cache)?;
    report(Written::Now, &args.cache);
    Ok(Outcome::Done)
}
