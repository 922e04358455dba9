//! Samples that two splits share: what is trained on or chosen by must not be tested on. And splits of one sample over and over.

use super::{ImageSet, Images, glance};
use crate::ExtractError;
use cache::{LeftOut, Overlap, Split};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// What a sample is told by; equal for equal samples.
pub(crate) type Content = [u8; 16];

/// The samples of each split, in row order.
pub(crate) type Contents = Vec<(Split, Vec<Content>)>;

/// Repeats of a split's own samples are told when they are more than one in this many: a few copies are in every collection, many
/// are a broken one (black pictures, an array that was filled in part).
const REPEATS: usize = 10;

/// What each split shares with those before it, and how often it repeats itself; `name` calls a sample of a split by its row.
pub(crate) fn overlaps(contents: &Contents, name: impl Fn(Split, usize) -> String) -> Vec<Overlap> {
    let mut found = Vec::new();
    for (index, (split, rows)) in contents.iter().enumerate() {
        let mut tell = |other: Split, shared: &[usize]| {
            let first = shared.iter().take(LeftOut::NAMES).map(|&row| name(*split, row)).collect();
            let (shared, of) = (shared.len() as u64, rows.len() as u64);
            found.push(Overlap { split: *split, other, shared, of, first });
        };
        for (other, others) in contents.iter().take(index) {
            let others: HashSet<&Content> = others.iter().collect();
            let shared = rows_where(rows, |content| others.contains(content));
            if !shared.is_empty() {
                tell(*other, &shared);
            }
        }
        let mut seen = HashSet::new();
        let repeats = rows_where(rows, |content| !seen.insert(content));
        if repeats.len() * REPEATS > rows.len() {
            tell(*split, &repeats);
        }
    }
    found
}

/// The rows whose content is one of those.
fn rows_where<'rows>(rows: &'rows [Content], mut is: impl FnMut(&'rows Content) -> bool) -> Vec<usize> {
    (0..).zip(rows).filter(|(_, content)| is(content)).map(|(row, _)| row).collect()
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

/// Rows of each split whose content is there more than once, in any split.
fn shared_rows(contents: &Contents) -> HashMap<Split, Vec<usize>> {
    let mut times: HashMap<&Content, usize> = HashMap::new();
    for content in contents.iter().flat_map(|(_, rows)| rows) {
        *times.entry(content).or_default() += 1;
    }
    let several = |content: &Content| times.get(content).is_some_and(|&times| times > 1);
    contents.iter().map(|(split, rows)| (*split, rows_where(rows, several))).collect()
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
                "1 of 4 test samples repeat other test samples (row 3)",
            ]
        );
    }

    #[test]
    fn a_split_of_one_sample_over_and_over_is_told_and_a_few_copies_are_not() {
        let rows = |bytes: &[u8]| bytes.iter().map(|&byte| [byte; 16]).collect::<Vec<_>>();
        let few: Vec<u8> = (0..20).chain([3]).collect();
        let contents = vec![(Split::Train, rows(&few)), (Split::Val, rows(&[30, 31, 30, 30]))];
        let found: Vec<String> =
            overlaps(&contents, |_, row| format!("row {row}")).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["2 of 4 validation samples repeat other validation samples (row 2, row 3)"]);
    }
}
