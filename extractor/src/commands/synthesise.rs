//! `extractor synthesise`: a cache of random features, to plan and measure sweeps without a data set.

use super::{Outcome, import::report, install_interrupt};
use crate::{
    dump::{Written, check_out},
    error::ExtractError,
};
use cache::synthetic::{Synthesised, SyntheticCache};
use files::text;
use program::progress::Progress;
use std::{ops::ControlFlow, path::Path};

pub(super) fn run(cache: &SyntheticCache, out: &Path) -> Result<Outcome, ExtractError> {
    let interrupt = install_interrupt()?;
    check_out(out)?;
    let mut progress = Progress::new("synthesise", cache.rows());
    let outcome = cache.write_while(out, || {
        if interrupt.requested() {
            return ControlFlow::Break(());
        }
        progress.advance(1);
        ControlFlow::Continue(())
    })?;
    match outcome {
        Synthesised::Now => {
            progress.finish();
            report(Written::Now, out);
        }
        Synthesised::Before => report(Written::Before, out),
        Synthesised::Stopped => {
            let state = format!("finished shards are in `{}`", text::path(out));
            return Err(ExtractError::Interrupted { state });
        }
    }
    Ok(Outcome::Done)
}
