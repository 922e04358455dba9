//! What a program says beside its data, and how it reads its command line.

use clap::{
    Parser,
    error::{ContextKind, ContextValue},
};
use files::{
    error::{FileError, Hint, render},
    output::print,
    text,
};
use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

/// Exit status of a command that could not run.
pub(crate) const COULD_NOT_RUN: u8 = 2;

/// Says something to the person who waits; what names and paths in it would do to a terminal is escaped. A closed stderr must
/// not end the work.
pub fn say(message: &str) {
    let _ = writeln!(io::stderr(), "{}", text::lines(message));
}

/// Prints a line of data, to its last byte.
///
/// # Errors
/// [`FileError::Io`] for a full disk; a reader that left early, as `head` does, is no error.
pub fn print_line(line: &str) -> Result<(), FileError> {
    print(format!("{line}\n").as_bytes())
}

/// Says what kept a program from its work; the exit status is 2.
pub fn fail(error: &(impl std::error::Error + Hint)) -> ExitCode {
    // Nothing is left to say where stderr is closed.
    let _ = writeln!(io::stderr(), "{}", render(error, error.hint()));
    ExitCode::from(COULD_NOT_RUN)
}

/// The command line as typed. Where there is nothing to run (`--help`, a mistake) it has been printed, and the program ends with
/// that status: an error, too, where stdout could not take it.
///
/// # Errors
/// The exit status.
pub fn parse<Cli: Parser>() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|mut error| {
        forget_far_suggestion(&mut error);
        let odd = std::env::args_os().any(|argument| *text::os(&argument) != argument);
        let printed = if odd {
            // Its own colours would hide those of the arguments.
            let plain = error.render().to_string();
            let plain = text::lines(&plain);
            if error.use_stderr() {
                io::stderr().write_all(plain.as_bytes())
            } else {
                io::stdout().write_all(plain.as_bytes())
            }
        } else {
            error.print()
        };
        match printed.and_then(|()| io::stdout().flush()) {
            Err(source) if !error.use_stderr() && source.kind() != io::ErrorKind::BrokenPipe => {
                fail(&FileError::io("write", Path::new("stdout"), source))
            }
            _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(COULD_NOT_RUN)),
        }
    })
}

/// Drops a suggestion that resembles the mistyped argument in nothing but a few letters: `--lr` for `--val-fraction`.
fn forget_far_suggestion(error: &mut clap::Error) {
    let (Some(ContextValue::String(typed)), Some(ContextValue::String(suggested))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::SuggestedArg))
    else {
        return;
    };
    if is_far(typed, suggested) {
        error.remove(ContextKind::SuggestedArg);
    }
}

fn is_far(typed: &str, suggested: &str) -> bool {
    let (typed, suggested) = (typed.trim_start_matches('-'), suggested.trim_start_matches('-'));
    let length = typed.chars().count().max(suggested.chars().count());
    let begins = suggested.starts_with(typed) || typed.starts_with(suggested);
    !begins && strsim::levenshtein(typed, suggested) > 2.max(length / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Options {
        #[arg(long)]
        lr: Option<f64>,
        #[arg(long)]
        epochs: Option<u32>,
    }

    fn message(argument: &str) -> String {
        let mut error = Options::try_parse_from(["program", argument, "1"]).unwrap_err();
        forget_far_suggestion(&mut error);
        error.render().to_string()
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        assert!(!message("--val-fraction").contains("similar"), "{}", message("--val-fraction"));
        assert!(message("--epoch").contains("'--epochs'"));
        assert!(message("--eposh").contains("'--epochs'"));
        assert!(is_far("--val-fraction", "--lr") && !is_far("--test-fracton", "--test-fraction"));
    }
}
