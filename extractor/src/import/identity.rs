//! Rows of different splits that are the same samples, and splits without any.

use super::split::ImportedSplit;
use crate::{
    ExtractError,
    datasets::overlap::{self, Content, Contents},
};
use cache::{Dtype, Overlap, Split};
use std::collections::BTreeMap;

/// Rows that are read at a time.
const ROWS_AT_ONCE: usize = 1024;

/// Refuses a split without rows: every number of a report would be a dash.
///
/// # Errors
/// [`ExtractError::Malformed`], with the features' file.
pub(super) fn refuse_empty(splits: &BTreeMap<Split, ImportedSplit>) -> Result<(), ExtractError> {
    match splits.iter().find(|(_, imported)| imported.labels.is_empty()) {
        Some((split, imported)) => Err(ExtractError::Malformed {
            path: imported.features.path().to_owned(),
            expected: format!("at least one row of {} features", split.adjective()),
            got: "none".to_owned(),
            hint: match split {
                Split::Val => "leave out the validation split, or save it again".to_owned(),
                _ => "check how the file was saved".to_owned(),
            },
        }),
        None => Ok(()),
    }
}

/// Rows that several splits share, told by their features.
///
/// Test rows that are all validation rows are a caution beside every number, for who wants to see what choosing by the test
/// gives.
///
/// # Errors
/// [`ExtractError::Malformed`] where all rows of a held-out split are training rows.
pub(super) fn overlaps(
    splits: &BTreeMap<Split, ImportedSplit>,
    dtype: Dtype,
) -> Result<Vec<Overlap>, ExtractError> {
    let contents: Contents =
        splits.iter().map(|(split, imported)| (*split, rows(*split, imported, dtype))).collect();
    let found = overlap::overlaps(&contents, |_, row| format!("row {row}"));
    let trained_on = |overlap: &&Overlap| overlap.shared == overlap.of && overlap.other == Split::Train;
    let Some(same) = found.iter().find(trained_on) else { return Ok(found) };
    let path =
        splits.get(&same.split).map(|imported| imported.features.path().to_owned()).unwrap_or_default();
    let other = splits.get(&same.other).map(|imported| imported.features.path().display().to_string());
    Err(ExtractError::Malformed {
        path,
        expected: format!(
            "{} samples that are no {} samples",
            same.split.adjective(),
            same.other.adjective()
        ),
        got: format!("the same features in all {} rows as in `{}`", same.of, other.unwrap_or_default()),
        hint: "give samples that were not trained on".to_owned(),
    })
}

/// The features of each row as the cache will hold them, whatever the formats of the files. A row of one number over and over, such
/// as zeros, is like those of its own split alone; single numbers are told by their place.
fn rows(split: Split, imported: &ImportedSplit, dtype: Dtype) -> Vec<Content> {
    let (rows, dim) = (imported.features.rows(), imported.features.columns().max(1));
    let mut contents = Vec::with_capacity(rows);
    for start in (0..rows).step_by(ROWS_AT_ONCE) {
        let numbers = imported.features.read_rows(start..rows.min(start + ROWS_AT_ONCE));
        for (row, features) in (start..).zip(numbers.chunks_exact(dim)) {
            let features: Vec<f32> = features.iter().map(|&number| as_stored(number, dtype)).collect();
            let content = overlap::digest(bytemuck::cast_slice(&features));
            contents.push(match features.as_slice() {
                [_] => overlap::digest(format!("{split} {row}").as_bytes()),
                [first, rest @ ..] if rest.iter().all(|number| number == first) => {
                    overlap::digest(format!("{split} {content:?}").as_bytes())
                }
                _ => content,
            });
        }
    }
    contents
}

/// A number after its way through the cache's format.
fn as_stored(number: f32, dtype: Dtype) -> f32 {
    match dtype {
        Dtype::F32 => number,
        Dtype::F16 => half::f16::from_f32(number).to_f32(),
        Dtype::Bf16 => half::bf16::from_f32(number).to_f32(),
    }
}
