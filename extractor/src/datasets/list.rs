//! The list format of the public benchmarks: `relative/path.jpg label` on each line.
//!
//! # Source
//! Liu et al. 2019 (arXiv 1904.05160, OLTR), whose `ImageNet_LT_*.txt` and `Places_LT_*.txt` everybody uses.

use super::{
    DatasetKind, SourceFiles, SourceImages,
    assemble::assemble,
    entries::{Entry, List, Lists},
    left_out::LeftOuts,
    source_files::LISTS,
    text,
};
use crate::{ExtractError, transform::Transform};
use std::path::{Path, PathBuf};

/// 1,000 classes of 1,280 … 5 images; 115,846 in all.
pub(super) const IMAGENET_LT: DatasetKind = DatasetKind {
    name: "imagenet-lt",
    about: "ImageNet-LT: ImageNet_LT_train.txt, ImageNet_LT_val.txt, ImageNet_LT_test.txt (or --train-list …) and the images",
    transform: Transform::IMAGENET_LT,
    takes: LISTS,
    load: |files| load(files, Some("ImageNet_LT")),
};

/// 365 classes of 4,980 … 5 images; 62,500 in all.
pub(super) const PLACES_LT: DatasetKind = DatasetKind {
    name: "places-lt",
    about: "Places-LT: Places_LT_train.txt, Places_LT_val.txt, Places_LT_test.txt (or --train-list …) and the images",
    transform: Transform::PHOTOGRAPHS,
    takes: LISTS,
    load: |files| load(files, Some("Places_LT")),
};

/// Any other data set with such lists.
pub(super) const LIST: DatasetKind = DatasetKind {
    name: "list",
    about: "any images with lists `relative/path.jpg label`: --train-list, --test-list or --test-fraction, and --val-list or --val-fraction",
    transform: Transform::PHOTOGRAPHS,
    takes: LISTS,
    load: |files| load(files, None),
};

fn load(files: &SourceFiles, prefix: Option<&str>) -> Result<SourceImages, ExtractError> {
    let usual = |split: &str| prefix.map(|prefix| files.root.join(format!("{prefix}_{split}.txt")));
    let needed = |name: &'static str, given: &Option<PathBuf>, usual: Option<PathBuf>| {
        given.clone().or(usual).ok_or_else(|| ExtractError::InvalidSetting {
            name,
            expected: "a list with `relative/path.jpg label` on each line".to_owned(),
            got: "nothing".to_owned(),
            hint: match name {
                "--test-list" => {
                    "`--test-fraction 0.2` keeps a fifth of each class of the training list in its place"
                        .to_owned()
                }
                _ => "paths in it are relative to `--data`".to_owned(),
            },
        })
    };
    let train = read(&needed("--train-list", &files.train_list, usual("train"))?)?;
    // A test split that is drawn needs no list; one that lies there is refused beside a fraction.
    let drawn = files.fractions.test.is_some() && files.test_list.is_none();
    let test = match usual("test") {
        usual if drawn && usual.as_ref().is_none_or(|path| !path.exists()) => None,
        usual => Some(read(&needed("--test-list", &files.test_list, usual)?)?),
    };
    // A usual validation list may be absent.
    let val = files.val_list.clone().or_else(|| usual("val").filter(|path| path.exists()));
    let val = val.map(|path| read(&path)).transpose()?;
    let left_out = LeftOuts::default();
    assemble(Lists { root: files.root.clone(), train, val, test, class_names: None, left_out }, files)
}

/// Reads the lines of a list.
pub(super) fn read(path: &Path) -> Result<List, ExtractError> {
    let mut list = List { path: path.to_owned(), unit: "line", entries: Vec::new() };
    for (row, line) in content(path)?.trim_end().lines().enumerate() {
        // A path may hold blanks, a label may not.
        let entry = line.trim().rsplit_once([' ', '\t']).and_then(|(name, label)| {
            let name = name.trim_end();
            (!name.is_empty()).then_some(Entry { name: name.into(), label: label.parse().ok()?, row })
        });
        let Some(entry) = entry else {
            let got = format!("`{}`", line.chars().take(60).collect::<String>());
            return Err(list.malformed(
                row,
                "`relative/path.jpg label`",
                &got,
                "labels are whole numbers from 0",
            ));
        };
        list.entries.push(entry);
    }
    Ok(list)
}

/// A text file that a data set needs.
pub(super) fn content(path: &Path) -> Result<String, ExtractError> {
    let hint =
        "check `--data`, or say where it is: `--train-list`, `--val-list`, `--test-list`, `--split-file`";
    text::read(path, "a list of images", hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::{ClassCounts, ClassId};
    use proptest::prelude::*;
    use std::fmt::Write;

    /// n_k of `many + medium + few` classes: largest, smallest and total as given, all within their groups.
    fn counts([many, medium, few]: [u64; 3], max: u64, min: u64, total: u64) -> Vec<u64> {
        let mut counts = Vec::new();
        for (classes, low) in [(many, 101), (medium, 20), (few, min)] {
            counts.extend(std::iter::repeat_n(low, usize::try_from(classes).unwrap()));
        }
        counts[0] = max;
        let limits = [(many, max), (medium, 100), (few, 19)];
        let mut left = total - counts.iter().sum::<u64>();
        // Class by class up to its group's limit; the last class stays the smallest.
        let mut class = 0;
        for (classes, limit) in limits {
            for _ in 0..classes {
                let more = left.min(limit - counts[class]);
                if class + 1 < counts.len() {
                    counts[class] += more;
                    left -= more;
                }
                class += 1;
            }
        }
        assert_eq!(left, 0);
        counts
    }

    /// Class totals and groups of the published sets come out of lists with as many lines.
    #[test]
    fn lists_of_the_published_sizes_have_the_published_groups() {
        let table = [
            ([385, 479, 136], 1280, 5, 115_846),
            ([131, 163, 71], 4980, 5, 62_500),
            ([842, 3701, 3599], 1000, 2, 437_513),
        ];
        for (groups, max, min, total) in table {
            let counts = counts(groups, max, min, total);
            let mut text = String::new();
            for (class, &count) in counts.iter().enumerate() {
                for image in 0..count {
                    writeln!(text, "train/n{class:05}/{image}.JPEG {class}").unwrap();
                }
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("train.txt");
            std::fs::write(&path, text).unwrap();
            let labels: Vec<ClassId> =
                read(&path).unwrap().entries.iter().map(|e| ClassId(e.label)).collect();
            let read = ClassCounts::from_labels(&labels, counts.len()).unwrap();
            assert_eq!((read.counts(), labels.len() as u64), (&*counts, total));
            let shots = |shot| {
                (0_u32..).map(ClassId).take(counts.len()).filter(|&c| read.shot(c) == shot).count() as u64
            };
            assert_eq!([cache::Shot::Many, cache::Shot::Medium, cache::Shot::Few].map(shots), groups);
        }
    }

    proptest! {
        /// What is written is read, in order, for any names without line breaks.
        #[test]
        fn lines_survive_the_round_trip(lines in prop::collection::vec(("[a-z ]{0,5}[a-z/.]{1,9}", 0_u32..1000), 1..30)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("list.txt");
            let mut text = String::new();
            for (name, label) in &lines {
                writeln!(text, "{} {label}", name.trim()).unwrap();
            }
            std::fs::write(&path, text).unwrap();
            let entries = read(&path).unwrap().entries;
            prop_assert!(entries.iter().map(|e| (e.name.to_string(), e.label)).eq(lines.iter().map(|(n, l)| (n.trim().to_owned(), *l))));
            prop_assert!(entries.iter().map(|e| e.row).eq(0..lines.len()));
        }
    }
}
