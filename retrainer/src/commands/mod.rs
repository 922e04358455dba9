//! One file a command: typed arguments in, work done, an [`End`] out.

mod about;
pub mod bench;
mod best_run;
pub mod evaluate;
pub mod export;
mod grid_source;
pub mod manual;
pub mod methods;
mod opened;
mod passes;
pub mod predict;
mod record;
pub mod report;
mod resources;
mod scores;
mod soup;
mod stage1;
pub mod status;
pub mod sweep;

use crate::error::RetrainError;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use experiment::{protocol::Protocol, select::SelectError};
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

/// Reads a score as the protocol that chooses by it on the validation split.
fn select_by() -> impl TypedValueParser<Value = Protocol> {
    let names = PossibleValuesParser::new(Protocol::by_validation().map(|(_, score)| score.name()));
    names.try_map(|name| {
        let named = Protocol::by_validation().find(|(_, score)| score.name() == name);
        named.map(|(protocol, _)| protocol).ok_or("no such score")
    })
}

/// The protocol that is asked for, by its name or by its score.
fn asked_protocol(select: Option<Protocol>, by: Option<Protocol>) -> Result<Option<Protocol>, SelectError> {
    match (select, by) {
        (Some(protocol), Some(by)) if ![Protocol::Val, by].contains(&protocol) => {
            let score = by.val_score().name();
            Err(SelectError::NotByScore { protocol, score })
        }
        (select, by) => Ok(by.or(select)),
    }
}

/// Writes a line of data to stdout; a reader that stopped reading is no error.
fn print(text: &str) -> Result<(), RetrainError> {
    Ok(console::print_line(text)?)
}
