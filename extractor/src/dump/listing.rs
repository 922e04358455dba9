//! Which image file each sample of a cache is of: a text file beside the shards, and what an unfinished dump goes on by
//! when some of its images have changed meanwhile.
//!
//! ```text
//! split  sample_id  label  bytes  path
//! train  0          0      48211  train/ant/0001.jpg
//! ```
//!
//! Tabs stand between the fields, lines are in the row order of the split's views, and the whole is one zstd frame.

use crate::{
    ExtractError,
    datasets::{Dataset, ImageSet, Images},
};
use cache::{Dump, IMAGES_FILE, Manifest, Split, ViewPlan};
use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    io::Read,
    path::Path,
};

const HEADER: &str = "split\tsample_id\tlabel\tbytes\tpath";

/// More text than any list of images has.
const MOST: u64 = 1 << 32;

/// The image files of all samples, in row order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing(Vec<Line>);

#[derive(Debug, PartialEq, Eq)]
struct Line {
    split: Split,
    sample_id: i64,
    label: u32,
    bytes: u64,
    path: String,
}

impl Listing {
    /// The files of a data set; `None` for images that have none of their own.
    pub(super) fn of(dataset: &Dataset) -> Option<Self> {
        let splits = [
            (Split::Train, Some(&dataset.train)),
            (Split::Val, dataset.val.as_ref()),
            (Split::Test, Some(&dataset.test)),
        ];
        let mut lines = Vec::new();
        for (split, set) in splits {
            let Some(ImageSet { images, labels, sample_ids }) = set else { continue };
            let Images::Files(files) = images else { return None };
            let sizes = files.glances.iter().map(|glance| glance.bytes).chain(std::iter::repeat(0));
            let rows = files.names.iter().zip(labels).zip(sample_ids).zip(sizes);
            lines.extend(rows.map(|(((name, label), &sample_id), bytes)| Line {
                split,
                sample_id,
                label: label.0,
                bytes,
                path: name.to_string(),
            }));
        }
        Some(Self(lines))
    }

    /// The bytes of the file.
    pub(super) fn encode(&self) -> Result<Vec<u8>, ExtractError> {
        let mut text = format!("{HEADER}\n");
        for Line { split, sample_id, label, bytes, path } in &self.0 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{split}\t{sample_id}\t{label}\t{bytes}\t{}", escaped(path));
        }
        zstd::encode_all(text.as_bytes(), 9).map_err(ExtractError::io("compress", Path::new(IMAGES_FILE)))
    }

    /// The listing of a cache; `None` where there is none, or none that can be read.
    fn read(cache: &Path) -> Option<Self> {
        let file = files::regular::open(&cache.join(IMAGES_FILE)).ok()?;
        let mut text = String::new();
        zstd::Decoder::new(file).ok()?.take(MOST).read_to_string(&mut text).ok()?;
        let mut lines = text.lines();
        (lines.next()? == HEADER).then_some(())?;
        lines.map(parse).collect::<Option<_>>().map(Self)
    }

    fn sizes(&self) -> HashMap<(Split, i64), u64> {
        self.0.iter().map(|line| ((line.split, line.sample_id), line.bytes)).collect()
    }
}

fn parse(line: &str) -> Option<Line> {
    let mut fields = line.splitn(5, '\t');
    let split = fields.next()?;
    Some(Line {
        split: Split::ALL.into_iter().find(|known| known.name() == split)?,
        sample_id: fields.next()?.parse().ok()?,
        label: fields.next()?.parse().ok()?,
        bytes: fields.next()?.parse().ok()?,
        path: unescaped(fields.next()?),
    })
}

/// A path in one line and one field.
fn escaped(path: &str) -> String {
    path.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescaped(field: &str) -> String {
    let mut path = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        path.push(match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                other => other.unwrap_or('\\'),
            },
            (plain, false) => plain,
        });
    }
    path
}

/// Lets the dump in `out` go on where it differs from the one asked for only in images that came, went or were got again:
/// shards without such images stay. Anything else is left to [`Dump::begin`], which refuses it by name.
///
/// A finished dump is only taken up where images can be read now that it had to leave out.
pub(super) fn settle(
    out: &Path,
    asked: &Manifest,
    plans: &[&ViewPlan],
    listing: &Listing,
) -> Result<(), ExtractError> {
    let Ok(dump) = Dump::resume(out) else { return Ok(()) };
    let there = dump.manifest();
    let same_lists =
        !asked.dataset.names_digest.is_empty() && there.dataset.names_digest == asked.dataset.names_digest;
    if there.dataset.root_digest == asked.dataset.root_digest || !same_lists {
        return Ok(());
    }
    if asked.difference(&without_samples(there, asked)).is_some() {
        return Ok(());
    }
    let Some(before) = Listing::read(out) else { return Ok(()) };
    let (before, now) = (before.sizes(), listing.sizes());
    if matches!(dump, Dump::Finished(_)) && !regained(there, asked, &before, &now) {
        return Ok(());
    }
    let changed = |split: Split, id: i64| before.get(&(split, id)) != now.get(&(split, id));
    Ok(Dump::take_over(out, asked.clone(), plans.iter().copied(), &listing.encode()?, changed)?)
}

/// The manifest there with the samples of the one asked for: what still differs is a setting.
fn without_samples(there: &Manifest, asked: &Manifest) -> Manifest {
    let mut there = there.clone();
    there.dataset.root_digest.clone_from(&asked.dataset.root_digest);
    if there.dataset.skipped != asked.dataset.skipped {
        there.dataset.skipped.clone_from(&asked.dataset.skipped);
        there.dataset.index_digest.clone_from(&asked.dataset.index_digest);
        there.train_class_counts = asked.train_class_counts.clone();
        // The largest class of a ratio follows from the number of images that could be read.
        if there.dataset.imbalance_ratio.is_some() {
            there.dataset.n_max = asked.dataset.n_max;
        }
    }
    there
}

/// Whether a finished dump would only gain images: some that it left out, and none that it has is another.
fn regained(
    there: &Manifest,
    asked: &Manifest,
    before: &HashMap<(Split, i64), u64>,
    now: &HashMap<(Split, i64), u64>,
) -> bool {
    let skipped = |manifest: &Manifest| manifest.dataset.skipped.iter().cloned().collect::<HashSet<_>>();
    let (there, asked) = (skipped(there), skipped(asked));
    asked.len() < there.len()
        && asked.is_subset(&there)
        && before.iter().all(|(sample, bytes)| now.get(sample).is_none_or(|now| now == bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever a path holds, it comes back.
        #[test]
        fn listings_survive_the_round_trip(paths in prop::collection::vec("[a-z\\\\\t\n\r /ä]{1,9}", 0..9)) {
            let line = |(row, path): (usize, String)| Line {
                split: Split::ALL[row % 3],
                sample_id: i64::try_from(row).unwrap() - 2,
                label: 7,
                bytes: 1 << 40,
                path,
            };
            let listing = Listing(paths.into_iter().enumerate().map(line).collect());
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(IMAGES_FILE), listing.encode().unwrap()).unwrap();
            prop_assert_eq!(Listing::read(folder.path()).unwrap(), listing);
        }
    }

    #[test]
    fn what_is_no_listing_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Listing::read(folder.path()), None);
        for text in ["", "other\theader\n", "split\tsample_id\tlabel\tbytes\tpath\ntrain\t0\t0\n"] {
            std::fs::write(folder.path().join(IMAGES_FILE), zstd::encode_all(text.as_bytes(), 1).unwrap())
                .unwrap();
            assert_eq!(Listing::read(folder.path()), None, "{text:?}");
        }
        std::fs::write(folder.path().join(IMAGES_FILE), "no zstd").unwrap();
        assert_eq!(Listing::read(folder.path()), None);
    }
}
