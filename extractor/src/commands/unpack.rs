//! `extractor unpack`: a packed cache becomes a folder again.

use super::{Outcome, output::say};
use crate::{archive, cli::UnpackArgs, commands::install_interrupt, error::ExtractError};
use files::text;

pub(super) fn run(args: &UnpackArgs) -> Result<Outcome, ExtractError> {
    archive::unpack(&args.archive, &args.cache, &install_interrupt()?)?;
    say(&format!("unpacked and checked `{}`", text::path(&args.cache)));
    Ok(Outcome::Done)
}
