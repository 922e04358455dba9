//! `extractor completions` and `extractor man`: what the command line says, for shells and for `man`.

use super::{Outcome, output::say};
use crate::{
    cli::{Cli, CompletionsArgs, ManArgs},
    error::ExtractError,
};
use clap::CommandFactory;
use files::{output, text};
use program::manual;

pub(super) fn completions(args: &CompletionsArgs) -> Result<Outcome, ExtractError> {
    output::print(&manual::completions(Cli::command(), args.shell))?;
    Ok(Outcome::Done)
}

pub(super) fn man(args: &ManArgs) -> Result<Outcome, ExtractError> {
    let pages = manual::man_pages(Cli::command(), &args.out)?;
    say(&format!("{pages} pages lie in {}", text::path(&args.out)));
    Ok(Outcome::Done)
}
