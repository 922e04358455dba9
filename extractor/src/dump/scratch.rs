//! A view whose rows come in any order, on disk until it is whole: memory stays flat.

use crate::ExtractError;
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// f32 rows `[N, D]` in a file without a name, which is gone when the process is.
#[derive(Debug)]
pub(super) struct Scratch {
    file: File,
    folder: PathBuf,
    dim: usize,
}

impl Scratch {
    pub(super) fn new(folder: &Path, dim: usize) -> Result<Self, ExtractError> {
        let file =
            tempfile::tempfile_in(folder).map_err(ExtractError::io("create a temporary file in", folder))?;
        Ok(Self { file, folder: folder.to_owned(), dim })
    }

    /// Writes a row `[D]` to its place.
    pub(super) fn put(&self, row: usize, features: &[f32]) -> Result<(), ExtractError> {
        self.file
            .write_all_at(bytemuck::cast_slice(features), self.offset(row))
            .map_err(ExtractError::io("write a temporary file in", &self.folder))
    }

    /// Reads `rows` consecutive rows `[rows, D]`.
    pub(super) fn read(&self, start: usize, rows: usize) -> Result<Vec<f32>, ExtractError> {
        let mut features = vec![0.0_f32; rows * self.dim];
        self.file
            .read_exact_at(bytemuck::cast_slice_mut(&mut features), self.offset(start))
            .map_err(ExtractError::io("read a temporary file in", &self.folder))?;
        Ok(features)
    }

    fn offset(&self, row: usize) -> u64 {
        (row * self.dim * size_of::<f32>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_order_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path(), 2).unwrap();
        for row in [2_u8, 0, 1] {
            scratch.put(row.into(), &[f32::from(row), 0.5]).unwrap();
        }
        assert_eq!(scratch.read(1, 2).unwrap(), [1.0, 0.5, 2.0, 0.5]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
