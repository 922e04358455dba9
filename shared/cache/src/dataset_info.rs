//! What a manifest says of the images: which they are, which were left out, which are there twice.

use crate::view::Split;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where the images came from and which of them are the training split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatasetInfo {
    /// Name on the command line: `cifar100`, …
    pub name: String,
    /// BLAKE3 over the source files' bytes, in name order.
    pub root_digest: String,
    /// The rule that picked the training subset: `first-n`, `ldam-seed0`, …
    pub subset: String,
    /// Largest over smallest class count asked for.
    pub imbalance_ratio: Option<f64>,
    /// Samples of the largest class.
    pub n_max: Option<u64>,
    /// Validation samples of each class.
    pub val_per_class: Option<u64>,
    /// Seed of the rule, where it has one.
    pub seed: Option<u64>,
    /// SHA-256 of the training indices in row order, little-endian u32.
    pub index_digest: String,
    /// Names of images that could not be read and were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// BLAKE3 over names and labels of the image files, whatever their sizes and whether they could be read. Like the two
    /// fields below it is not part of the cache key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub names_digest: String,
    /// Files beside the samples that were found and not taken, images that could not be read among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Samples that two splits share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<Overlap>,
    /// The splits that were drawn from the training samples, where any were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<DrawnSplits>,
}

/// Splits that were drawn from the training samples, by class and seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DrawnSplits {
    /// The part of each class that the validation split was to get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_fraction: Option<f64>,
    /// The same for the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_fraction: Option<f64>,
    /// Seed of the draw.
    pub seed: u64,
    /// BLAKE3 of the file that says which samples stay together, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_file: Option<String>,
}

impl fmt::Display for DrawnSplits {
    /// `0.1 for validation, 0.2 for the test, seed 0, by groups`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (fraction, split) in [(self.val_fraction, "validation"), (self.test_fraction, "the test")] {
            if let Some(fraction) = fraction {
                write!(f, "{fraction} for {split}, ")?;
            }
        }
        write!(f, "seed {}", self.seed)?;
        self.group_file.as_ref().map_or(Ok(()), |_| f.write_str(", by groups"))
    }
}

/// Files of one kind that were found and not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What they are: `images that could not be read` …
    pub what: String,
    /// How many.
    pub count: u64,
    /// Names of the first few.
    pub first: Vec<String>,
}

impl LeftOut {
    /// Names that are kept of each kind.
    pub const NAMES: usize = 3;
}

impl fmt::Display for LeftOut {
    /// `2 files of other kinds (train/a/x.txt, train/b/y.txt)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.count > self.first.len() as u64 { " …" } else { "" };
        let (noun, rest) = self.what.split_once(' ').unwrap_or((&self.what, ""));
        let noun = if self.count == 1 { noun.trim_end_matches('s') } else { noun };
        write!(f, "{} {noun} {rest} ({}{more})", self.count, self.first.join(", "))
    }
}

/// Samples of a split that another split holds, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// The split.
    pub split: Split,
    /// The other one; the split itself where it repeats its own samples.
    pub other: Split,
    /// Samples of the split that the other one holds.
    pub shared: u64,
    /// All samples of the split.
    pub of: u64,
    /// The first few, as `name` or `row 3`.
    pub first: Vec<String>,
}

impl fmt::Display for Overlap {
    /// `3 of 200 test samples are training samples, too (a.png, b.png, c.png)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.shared > self.first.len() as u64 { " …" } else { "" };
        let Self { split, other, shared, of, first } = self;
        let (split, other, first) = (split.adjective(), other.adjective(), first.join(", "));
        if self.split == self.other {
            return write!(
                f,
                "{shared} of {of} {split} samples repeat other {split} samples ({first}{more})"
            );
        }
        if shared == of {
            return write!(f, "all {of} {split} samples are the same as {other} samples ({first}{more})");
        }
        write!(f, "{shared} of {of} {split} samples are {other} samples, too ({first}{more})")
    }
}

/// Whether classes are called `0`, `1`, `2` …: nobody knew their names.
pub fn numbered(class_names: &[String]) -> bool {
    class_names.iter().enumerate().all(|(class, name)| *name == class.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_read_as_sentences() {
        let left_out = |count| LeftOut {
            what: "images that could not be read".to_owned(),
            count,
            first: vec!["a.png".to_owned()],
        };
        assert_eq!(left_out(1).to_string(), "1 image that could not be read (a.png)");
        assert_eq!(left_out(9).to_string(), "9 images that could not be read (a.png …)");
        let overlap = |shared| Overlap {
            split: Split::Test,
            other: Split::Val,
            shared,
            of: 20,
            first: vec!["row 3".to_owned()],
        };
        assert_eq!(overlap(1).to_string(), "1 of 20 test samples are validation samples, too (row 3)");
        assert_eq!(
            overlap(20).to_string(),
            "all 20 test samples are the same as validation samples (row 3 …)"
        );
    }
}
