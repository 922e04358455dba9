//! Files and libraries brought into memory: all `unsafe` of the workspace's data path.

use crate::error::CacheError;
use memmap2::Mmap;
use std::{fs::File, path::Path};

/// A read-only memory map of a whole file.
#[derive(Debug)]
pub(crate) struct FileMap(Mmap);

impl FileMap {
    /// Maps the file.
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        let file = File::open(path).map_err(|source| CacheError::io("open", path, source))?;
        // SAFETY: the map is read-only and private to this process. Files of a cache are never changed in place: every
        // writer of this project writes beside and renames, so a mapped file keeps its bytes. Another program that
        // truncates the file under the map would end the process (SIGBUS); the format forbids it, as for any mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(|source| CacheError::io("map", path, source))?;
        Ok(Self(map))
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Loads a shared library for the rest of the process, with its symbols visible to later loads.
pub(crate) fn load_global_library(path: &Path) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: loading runs the library's initialisers. The only library asked for is libtorch's CUDA backend of the very
    // release that this program links; its initialisers register kernels and are meant to run at load time.
    let library =
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map_err(|error| error.to_string())?;
    // Registered kernels point into the library: it must never be unloaded.
    std::mem::forget(library);
    Ok(())
}
