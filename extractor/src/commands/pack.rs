//! `extractor pack`: a cache becomes one file.

use super::{Outcome, output::say};
use crate::{archive, cli::PackArgs, commands::install_interrupt, error::ExtractError};
use files::text;
use indicatif::HumanBytes;

pub(super) fn run(args: &PackArgs) -> Result<Outcome, ExtractError> {
    archive::pack(&args.cache, &args.archive, args.level, &install_interrupt()?)?;
    let bytes = std::fs::metadata(&args.archive).map_err(ExtractError::io("read", &args.archive))?.len();
    say(&format!(
        "packed `{}` into `{}`: {}",
        text::path(&args.cache),
        text::path(&args.archive),
        HumanBytes(bytes)
    ));
    Ok(Outcome::Done)
}
