//! A cache as one portable file: tar in zstd, the manifest last, every file checked when it is unpacked.

mod pack;
mod unpack;

pub use pack::pack;
pub use unpack::unpack;

use crate::error::ExtractError;
use files::atomic;
use program::interrupt::Interrupt;
use std::{
    io::{self, Read},
    path::Path,
};

/// Refuses what is there, but for an empty folder, and removes what killed processes have left beside it.
fn prepare(path: &Path) -> Result<(), ExtractError> {
    let empty_folder = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if path.symlink_metadata().is_ok() && !empty_folder {
        return Err(ExtractError::Exists { path: path.to_owned() });
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if parent.is_dir() {
        atomic::remove_leftovers(parent)?;
    }
    Ok(())
}

/// A reader that ends with an error when the user asks to stop.
struct Stoppable<'a, R> {
    reader: R,
    interrupt: &'a Interrupt,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.requested() {
            return Err(io::Error::other("stopped on request"));
        }
        self.reader.read(buffer)
    }
}

/// The error of a stop, where there was one, in the place of what the stop led to.
fn unless_stopped<T>(
    result: Result<T, ExtractError>,
    interrupt: &Interrupt,
    state: &str,
) -> Result<T, ExtractError> {
    match result {
        Err(_) if interrupt.requested() => Err(ExtractError::Interrupted { state: state.to_owned() }),
        result => result,
    }
}
