//! The program `extractor`.

use clap::Parser;
use extractor::{
    cli::Cli,
    commands::{self, Outcome},
};
use shared::{Hint, error::render};
use std::{io::Write, process::ExitCode};

fn main() -> ExitCode {
    match commands::run(&Cli::parse()) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed | Outcome::Stopped) => ExitCode::from(1),
        Err(error) => {
            // Nothing is left to say where stderr is closed.
            let _ = writeln!(std::io::stderr(), "{}", render(&error, error.hint()));
            ExitCode::from(2)
        }
    }
}
