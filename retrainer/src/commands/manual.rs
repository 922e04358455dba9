//! `retrainer completions` and `retrainer man`: what the command line says, for shells and for `man`.

use super::{End, say};
use crate::error::RetrainError;
use clap::{Args, Command};
use files::output;
use program::manual::{self, Shell};
use std::path::PathBuf;

/// Arguments of `completions`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  retrainer completions bash > ~/.local/share/bash-completion/completions/retrainer"
)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  retrainer man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder for the pages
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Prints the script.
pub(crate) fn completions(command: Command, args: &CompletionsArgs) -> Result<End, RetrainError> {
    output::print(&manual::completions(command, args.shell))?;
    Ok(End::Done)
}

/// Writes the pages.
pub(crate) fn man(command: Command, args: &ManArgs) -> Result<End, RetrainError> {
    let pages = manual::man_pages(command, &args.out)?;
    say(&format!("{pages} pages lie in {}", args.out.display()));
    Ok(End::Done)
}
