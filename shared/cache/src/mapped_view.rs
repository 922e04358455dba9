//! The shards of one view in memory.

use crate::{
    classes::ClassId,
    error::CacheError,
    manifest::{Manifest, ViewInfo},
    shard::{Expected, Shard},
};
use files::regular;
use std::path::Path;

/// The shards of one view, in row order.
#[derive(Debug)]
pub(crate) struct MappedView {
    pub(crate) shards: Vec<Shard>,
    /// First row of each shard.
    pub(crate) starts: Vec<usize>,
    pub(crate) rows: usize,
}

impl MappedView {
    /// Opens the shards of a view; sizes and headers are checked.
    pub(crate) fn open(path: &Path, manifest: &Manifest, info: &ViewInfo) -> Result<Self, CacheError> {
        let mut view = Self { shards: Vec::new(), starts: Vec::new(), rows: 0 };
        for shard in &info.shards {
            let file = path.join(&shard.file.file);
            check_size(&file, shard.file.bytes)?;
            let expected = Expected {
                // More rows than the address space holds cannot pass the size check of the header.
                rows: usize::try_from(shard.rows).unwrap_or(usize::MAX),
                dim: manifest.feature_dim,
                dtype: manifest.dtype,
            };
            let shard = Shard::open(&file, expected)?;
            view.starts.push(view.rows);
            view.rows += shard.rows;
            view.shards.push(shard);
        }
        Ok(view)
    }

    pub(crate) fn labels(&self, classes: usize) -> Result<Vec<ClassId>, CacheError> {
        let mut shards = self.shards.iter().map(|shard| shard.labels(classes));
        // Nearly always there is one shard, whose labels need no copy.
        let mut labels = shards.next().unwrap_or_else(|| Ok(Vec::new()))?;
        for shard in shards {
            labels.extend(shard?);
        }
        Ok(labels)
    }

    /// How this view's rows differ from those of another view of the split.
    pub(crate) fn disagreement(&self, other: &Self) -> Option<String> {
        if self.rows != other.rows {
            return Some(format!("{} rows against {}", self.rows, other.rows));
        }
        let labels = first_difference(&self.shards, &other.shards, Shard::label_bytes);
        let ids = first_difference(&self.shards, &other.shards, Shard::sample_id_bytes);
        let byte = labels.into_iter().chain(ids).min()?;
        Some(format!("row {} is another sample", byte / 8))
    }
}

/// The first byte in which two views differ, whatever shards they are cut into.
fn first_difference(one: &[Shard], two: &[Shard], part: fn(&Shard) -> &[u8]) -> Option<usize> {
    let (mut ones, mut twos) = (one.iter().map(part), two.iter().map(part));
    let (mut left, mut right): (&[u8], &[u8]) = (&[], &[]);
    let mut position = 0;
    loop {
        while left.is_empty() {
            left = ones.next()?;
        }
        while right.is_empty() {
            right = twos.next()?;
        }
        let length = left.len().min(right.len());
        let ((head, left_rest), (other, right_rest)) = (left.split_at(length), right.split_at(length));
        if head != other {
            let within = head.iter().zip(other).position(|(one, two)| one != two);
            return Some(position + within.unwrap_or(0));
        }
        (left, right, position) = (left_rest, right_rest, position + length);
    }
}

/// Whether a file has the size that its manifest says.
pub(crate) fn check_size(path: &Path, expected: u64) -> Result<(), CacheError> {
    match regular::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.len() == expected => Ok(()),
        Ok(metadata) => Err(CacheError::WrongSize { path: path.to_owned(), expected, got: metadata.len() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(CacheError::MissingShard { path: path.to_owned() })
        }
        Err(error) => Err(CacheError::io("open", path, error)),
    }
}
