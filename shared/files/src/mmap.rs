//! Files brought into memory: all `unsafe` of the workspace's data path.

use crate::{error::FileError, regular};
use memmap2::Mmap;
use std::{path::Path, sync::Once};

/// A read-only memory map of a whole file.
#[derive(Debug)]
pub struct FileMap(Mmap);

impl FileMap {
    /// Maps the file.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        explain_bus_errors();
        let file = regular::open(path).map_err(|source| FileError::io("open", path, source))?;
        // SAFETY: the map is read-only and private to this process. Files of a cache are never changed in place: every
        // writer of this project writes beside and renames, so a mapped file keeps its bytes. Another program that
        // truncates the file under the map ends the process (SIGBUS), which then says so; the format forbids it, as for any
        // mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(|source| FileError::io("map", path, source))?;
        Ok(Self(map))
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What is said where a page of a mapped file cannot be read.
const BUS_ERROR: &str = "error: a file of the feature cache could not be read: it was cut short while it was in use, or its disk fails\n\
    hint: nothing of it was recorded since: check it with `extractor verify`, and run the same command again\n";

/// Lets the process say why it ends when a file is cut short under its map; there is nothing to go on with.
fn explain_bus_errors() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let explain = || {
            // SAFETY: `write` and `_exit` are among the calls that may be made in a signal handler; the text is static.
            unsafe {
                libc::write(libc::STDERR_FILENO, BUS_ERROR.as_ptr().cast(), BUS_ERROR.len());
                libc::_exit(2);
            }
        };
        // SAFETY: the action makes async-signal-safe calls only, neither allocates nor locks, and does not return.
        // Where the system refuses, the process ends as it would have.
        let _ = unsafe { signal_hook::low_level::register(signal_hook::consts::SIGBUS, explain) };
    });
}
