//! Data goes to stdout, everything said beside it to stderr.

use crate::error::ExtractError;
use program::console;
pub(super) use program::console::say;

/// Prints a line of data; a reader that left early, as `head` does, is no error.
pub(super) fn print(line: &str) -> Result<(), ExtractError> {
    Ok(console::print_line(line)?)
}
