//! Data goes to stdout, everything said beside it to stderr.

use crate::error::ExtractError;
use std::{
    io::{ErrorKind, Write},
    path::Path,
};

/// Prints a line of data; a reader that left early, as `head` does, is no error.
pub(super) fn print(line: &str) -> Result<(), ExtractError> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(ExtractError::io("write", Path::new("stdout"))(error))
        }
        _ => Ok(()),
    }
}

/// Says something to the person who waits; a closed stderr must not end the work.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
