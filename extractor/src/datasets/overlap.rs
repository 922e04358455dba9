//! Samples that two splits share: what is trained on or chosen by must not be tested on.

use super::{ImageSet, Images, glance};
use crate::ExtractError;
use cache::{LeftOut, Overlap, Split};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// What a sample is told by; equal for equal samples.
pub(crate) type Content = [u8; 16];

/// The samples of each split, in row order.
pub(crate) type Contents = Vec<(Split, Vec<Content>)>;

/// What each split shares with those before it; `name` calls a sample of a split by its row.
pub(crate) fn overlaps(contents: &Contents, name: impl Fn(Split, usize) -> String) -> Vec<Overlap> {
    let mut found = Vec::new();
    for (index, (split, rows)) in contents.iter().enumerate() {
        for (other, others) in contents.iter().take(index) {
            let others: HashSet<&Content> = others.iter().collect();
            let shared = || rows.iter().enumerate().filter(|(_, content)| others.contains(content));
            let count = shared().count() as u64;
            if count > 0 {
                let first = shared().take(LeftOut::NAMES).map(|(row, _)| name(*split, row)).collect();
                found.push(Overlap {
                    split: *split,
                    other: *other,
                    shared: count,
                    of: rows.len() as u64,
                    first,
                });
            }
        }
    }
    found
}

/// [`overlaps`] of images, by their pixels or by the bytes of their files.
pub(super) fn of_images(splits: &[(Split, &ImageSet)]) -> Result<Vec<Overlap>, ExtractError> {
    let mut contents: Contents = splits.iter().map(|(split, set)| (*split, quick(set))).collect();
    let suspected: HashMap<Split, Vec<usize>> = shared_rows(&contents);
    for ((split, set), (_, rows)) in splits.iter().zip(&mut contents) {
        let Images::Files(files) = &set.images else { continue };
        let suspected = suspected.get(split).map_or(&[][..], Vec::as_slice);
        let whole: Vec<Content> =
            suspected.par_iter().map(|&row| glance::content(&files.path(row))).collect::<Result<_, _>>()?;
        for (&row, content) in suspected.iter().zip(whole) {
            rows.iter_mut().skip(row).take(1).for_each(|slot| *slot = content);
        }
    }
    Ok(overlaps(&contents, |split, row| {
        let files = splits.iter().find(|(of, _)| *of == split).and_then(|(_, set)| match &set.images {
            Images::Files(files) => files.names.get(row),
            Images::Memory(_) => None,
        });
        files.map_or_else(|| format!("row {row}"), ToString::to_string)
    }))
}

/// The pixels of small images, the ends of files.
fn quick(set: &ImageSet) -> Vec<Content> {
    match &set.images {
        Images::Memory(pixels) => {
            let size = (3 * pixels.height * pixels.width).max(1);
            pixels.bytes.par_chunks_exact(size).map(digest).collect()
        }
        Images::Files(files) => files.glances.iter().map(|glance| glance.ends).collect(),
    }
}

/// The first half of the BLAKE3 of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> Content {
    let mut content = Content::default();
    blake3::Hasher::new().update(bytes).finalize_xof().fill(&mut content);
    content
}

/// Rows of each split whose content is in another split, too.
fn shared_rows(contents: &Contents) -> HashMap<Split, Vec<usize>> {
    let mut splits: HashMap<&Content, HashSet<Split>> = HashMap::new();
    for (split, rows) in contents {
        for content in rows {
            splits.entry(content).or_default().insert(*split);
        }
    }
    let several = |content: &Content| splits.get(content).is_some_and(|splits| splits.len() > 1);
    let rows_of =
        |rows: &[Content]| (0..).zip(rows).filter(|(_, c)| several(c)).map(|(row, _)| row).collect();
    contents.iter().map(|(split, rows)| (*split, rows_of(rows))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_samples_are_counted_for_each_pair_of_splits() {
        let rows = |bytes: &[u8]| bytes.iter().map(|&byte| [byte; 16]).collect::<Vec<_>>();
        let contents = vec![
            (Split::Train, rows(&[1, 2, 3])),
            (Split::Val, rows(&[4, 2])),
            (Split::Test, rows(&[4, 5, 2, 4])),
        ];
        let found: Vec<String> =
            overlaps(&contents, |_, row| format!("row {row}")).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "1 of 2 validation samples are training samples, too (row 1)",
                "1 of 4 test samples are training samples, too (row 2)",
                "3 of 4 test samples are validation samples, too (row 0, row 2, row 3)",
            ]
        );
    }
}
