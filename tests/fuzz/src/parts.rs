//! Several files from one run of bytes, and the files of a folder for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A target: its name, and whether it accepts some bytes.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// The parts of some bytes: each a length of two bytes, little endian, and as many bytes; the last may be cut short.
pub fn parts(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&[low, high], rest) = bytes.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let (part, after) = rest.split_at(length);
        bytes = after;
        Some(part)
    })
}

/// A folder of one input, removed with it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        tempfile::tempdir().map(Self)
    }

    /// One with the parts of `bytes` under these names; names without a part are left out.
    pub fn of_parts(bytes: &[u8], names: &[&str]) -> io::Result<Self> {
        let folder = Self::new()?;
        for (name, part) in names.iter().zip(parts(bytes)) {
            folder.write(name, part)?;
        }
        Ok(folder)
    }

    /// Adds a file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, bytes)?;
        Ok(path)
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
