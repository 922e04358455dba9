//! Arguments of `extractor completions` and `extractor man`.

use clap::Args;
use program::manual::Shell;
use std::path::PathBuf;

/// Arguments of `completions`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  extractor completions bash > ~/.local/share/bash-completion/completions/extractor"
)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  extractor man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder for the pages
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}
