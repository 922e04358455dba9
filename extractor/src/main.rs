//! The program `extractor`.

use extractor::{
    cli::Cli,
    commands::{self, Outcome},
};
use program::{console, interrupt};
use std::process::ExitCode;

fn main() -> ExitCode {
    interrupt::refuse_large_files_by_error();
    let cli = match console::parse::<Cli>() {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    match commands::run(cli) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Stopped) => interrupt::exit_status(),
        Err(error) => console::fail(&error),
    }
}
