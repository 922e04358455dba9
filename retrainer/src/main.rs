//! `retrainer`: feature cache to results.

use clap::Parser;
use retrainer::{cli::Cli, commands};
use shared::Hint;
use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "the one place where the program's error is printed")]
fn main() -> ExitCode {
    match commands::run(Cli::parse().command) {
        Ok(commands::End::Done) => ExitCode::SUCCESS,
        Ok(commands::End::DoneWithFailures) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{}", shared::error::render(&error, error.hint()));
            ExitCode::from(2)
        }
    }
}
