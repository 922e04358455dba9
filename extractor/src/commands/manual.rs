//! `extractor completions` and `extractor man`: what the command line says, for shells and for `man`.

use super::{Outcome, output::say};
use crate::{
    cli::{Cli, CompletionsArgs, ManArgs},
    error::ExtractError,
};
use clap::CommandFactory;
use shared::manual;
use std::io::Write;

pub(super) fn completions(args: &CompletionsArgs) -> Outcome {
    // A reader that stopped reading is no error.
    let _ = std::io::stdout().write_all(&manual::completions(Cli::command(), args.shell));
    Outcome::Done
}

pub(super) fn man(args: &ManArgs) -> Result<Outcome, ExtractError> {
    let pages = manual::man_pages(Cli::command(), &args.out)?;
    say(&format!("{pages} pages lie in {}", args.out.display()));
    Ok(Outcome::Done)
}
