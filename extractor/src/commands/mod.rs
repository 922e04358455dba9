//! One file for each command: settings in, files or printed data out.

mod backbones;
mod bench;
mod datasets;
mod dump;
mod import;
mod inspect;
mod machine;
mod manual;
mod merge;
mod output;
mod pack;
mod predict;
mod presets;
mod synthesise;
mod train;
mod unpack;
mod verify;

use crate::{
    cli::{Cli, Command},
    error::ExtractError,
    settings::{self, BenchRun, Dump, Predict, Train, Verify},
};
use program::interrupt::Interrupt;

/// How a command ended that could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done.
    Done,
    /// It ran to its end, and what it checked is not in order.
    Failed,
    /// Ctrl-C: what was finished is on disk, and the same command goes on from there.
    Stopped,
}

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever kept the command from running to its end.
pub fn run(cli: Cli) -> Result<Outcome, ExtractError> {
    let result = match cli.command {
        Command::Train(args) => Train::resolve(&args).and_then(|train| train::run(&train)),
        Command::Dump(args) => Dump::resolve(&args).and_then(|dump| dump::run(&dump)),
        Command::Merge(args) => merge::run(&args),
        Command::Import(args) => import::run(args.into()),
        Command::Synthesise(args) => {
            settings::synthesise(&args).and_then(|cache| synthesise::run(&cache, &args.out))
        }
        Command::Predict(args) => predict::run(&Predict::from(args)),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => verify::run(&Verify::from(&args)),
        Command::Pack(args) => pack::run(&args),
        Command::Unpack(args) => unpack::run(&args),
        Command::Bench(args) => BenchRun::resolve(&args).and_then(bench::run),
        Command::Backbones => backbones::run(),
        Command::Presets(args) => presets::run(&args),
        Command::Datasets => datasets::run(),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    };
    match result {
        Err(ExtractError::Interrupted { state }) => {
            output::say(&format!(
                "stopped on request: {state}\nhint: run the same command again to continue"
            ));
            Ok(Outcome::Stopped)
        }
        other => other,
    }
}

/// Catches Ctrl-C from now on.
fn install_interrupt() -> Result<Interrupt, ExtractError> {
    Interrupt::install().map_err(|error| ExtractError::Signals { reason: error.to_string() })
}
