//! `retrainer`: feature cache to results.

use program::{console, interrupt};
use retrainer::{cli::Cli, commands::End};
use std::process::ExitCode;

fn main() -> ExitCode {
    interrupt::refuse_large_files_by_error();
    let cli = match console::parse::<Cli>() {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    match cli.command.run() {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::DoneWithFailures) => ExitCode::from(1),
        Ok(End::Stopped) => interrupt::exit_status(),
        Err(error) => console::fail(&error),
    }
}
