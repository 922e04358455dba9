//! One file a command: typed arguments in, work done, an [`End`] out.

pub mod bench;
pub mod evaluate;
pub mod export;
pub mod manual;
pub mod methods;
pub mod report;
mod resources;
pub mod sweep;

use crate::{cli::Command, error::RetrainError};
use program::console::{self, say};

/// How a command ended that could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything is done.
    Done,
    /// It finished, but some heads diverged or a check failed.
    DoneWithFailures,
    /// It was asked to stop: what was finished is recorded, and the same command goes on from there.
    Stopped,
}

/// Runs a command.
///
/// # Errors
/// [`RetrainError`] when it could not run.
pub fn run(command: Command) -> Result<End, RetrainError> {
    match command {
        Command::Sweep(args) => sweep::run(&args),
        Command::Report(args) => Ok(report::run(&args).map(|()| End::Done)?),
        Command::Methods(args) => methods::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}

/// Writes a line of data to stdout; a reader that stopped reading is no error.
fn print(text: &str) -> Result<(), RetrainError> {
    Ok(console::print_line(text)?)
}
