//! One file a command: typed arguments in, work done, an [`End`] out.

pub mod bench;
pub mod evaluate;
pub mod export;
pub mod manual;
pub mod methods;
pub mod report;
mod resources;
pub mod sweep;

use crate::error::RetrainError;
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

/// Writes a line of data to stdout; a reader that stopped reading is no error.
fn print(text: &str) -> Result<(), RetrainError> {
    Ok(console::print_line(text)?)
}
