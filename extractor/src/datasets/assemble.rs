//! Named image files with labels to a checked data set: what lists, annotations and folders have in common.

use super::{Broken, ImageFiles, ImageSet, Images, SourceImages};
use crate::{ExtractError, images};
use rayon::prelude::*;
use shared::{ClassId, progress::Progress};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Images that are checked between two moves of the progress bar.
const CHECKED_AT_ONCE: usize = 512;

/// An image as its list names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Relative to the data set's folder.
    pub(super) name: Box<str>,
    pub(super) label: u32,
    /// Row in the list, from 0.
    pub(super) row: usize,
}

/// A list of images and where it came from.
#[derive(Debug)]
pub(super) struct List {
    /// The file, for messages.
    pub(super) path: PathBuf,
    /// What a row is called there: `line` or `annotation`.
    pub(super) unit: &'static str,
    pub(super) entries: Vec<Entry>,
}

impl List {
    pub(super) fn malformed(&self, row: usize, expected: &str, got: &str, hint: &str) -> ExtractError {
        ExtractError::Malformed {
            path: self.path.clone(),
            expected: expected.to_owned(),
            got: format!("{got} in {} {}", self.unit, row + 1),
            hint: hint.to_owned(),
        }
    }
}

/// The lists of a data set.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) root: PathBuf,
    pub(super) train: List,
    pub(super) val: Option<List>,
    pub(super) test: List,
    /// Names of the classes, or `None` for those that the training list has, from 0 on.
    pub(super) class_names: Option<Vec<String>>,
}

/// Checks labels, names and files, and makes the data set.
///
/// # Errors
/// [`ExtractError::Malformed`] for labels outside the class set, classes without training images and images in two places;
/// for missing and broken images the errors of [`images::read`], unless `broken` says to leave them out.
pub(super) fn assemble(lists: Lists, broken: Broken) -> Result<SourceImages, ExtractError> {
    let classes = check_labels(&lists)?;
    check_names(&lists)?;
    let mut digest = blake3::Hasher::new();
    let mut skipped = Vec::new();
    let mut split = |list: List| {
        let sizes = sizes(&lists.root, &list, broken)?;
        let mut files = ImageFiles { root: lists.root.clone(), names: Vec::new() };
        let mut set = ImageSet::default();
        for (entry, size) in list.entries.into_iter().zip(sizes) {
            digest.update(format!("{} {} {size:?}\n", entry.name, entry.label).as_bytes());
            if size.is_none() {
                skipped.push(String::from(entry.name));
                continue;
            }
            files.names.push(entry.name);
            set.labels.push(ClassId(entry.label));
            set.sample_ids.push(i64::try_from(entry.row).unwrap_or(i64::MAX));
        }
        digest.update(b"\n");
        Ok::<_, ExtractError>(ImageSet { images: Images::Files(files), ..set })
    };
    let (train, val, test) =
        (split(lists.train)?, lists.val.map(&mut split).transpose()?, split(lists.test)?);
    Ok(SourceImages {
        root_digest: digest.finalize().to_hex().to_string(),
        class_names: lists
            .class_names
            .unwrap_or_else(|| (0..classes).map(|class| class.to_string()).collect()),
        train,
        val,
        test,
        skipped,
    })
}

/// The number of classes, after a check that every label is one of them and each has a training image.
fn check_labels(lists: &Lists) -> Result<usize, ExtractError> {
    let largest = lists.train.entries.iter().map(|entry| entry.label as usize + 1).max().unwrap_or(0);
    let classes = lists.class_names.as_ref().map_or(largest, Vec::len);
    for list in [Some(&lists.train), lists.val.as_ref(), Some(&lists.test)].into_iter().flatten() {
        if list.entries.is_empty() {
            return Err(ExtractError::Malformed {
                path: list.path.clone(),
                expected: "images".to_owned(),
                got: "none".to_owned(),
                hint: "check the path".to_owned(),
            });
        }
        if let Some(entry) = list.entries.iter().find(|entry| entry.label as usize >= classes) {
            return Err(list.malformed(
                entry.row,
                &format!(
                    "labels from 0 to {}, the classes of the training images",
                    classes.saturating_sub(1)
                ),
                &format!("label {}", entry.label),
                "the lists are of different data sets, or count classes from 1",
            ));
        }
    }
    // A label far beyond the number of images would ask for as many counters.
    let absent = if classes > lists.train.entries.len() {
        Some(first_absent(&lists.train.entries))
    } else {
        let mut counts = vec![0_u64; classes];
        for entry in &lists.train.entries {
            counts.iter_mut().skip(entry.label as usize).take(1).for_each(|count| *count += 1);
        }
        counts.iter().position(|&count| count == 0)
    };
    match absent {
        Some(class) => Err(ExtractError::Malformed {
            path: lists.train.path.clone(),
            expected: format!("a training image of each of {classes} classes"),
            got: format!("none of class {class}"),
            hint: "classes are counted from 0 without gaps".to_owned(),
        }),
        None => Ok(classes),
    }
}

fn first_absent(entries: &[Entry]) -> usize {
    let mut labels: Vec<usize> = entries.iter().map(|entry| entry.label as usize).collect();
    labels.sort_unstable();
    labels.dedup();
    labels.iter().zip(0..).find(|(label, class)| **label != *class).map_or(labels.len(), |(_, class)| class)
}

/// No image twice in a list, and no training image among those that it is tested on.
fn check_names(lists: &Lists) -> Result<(), ExtractError> {
    let mut training: HashMap<&str, usize> = HashMap::new();
    for entry in &lists.train.entries {
        if let Some(before) = training.insert(&entry.name, entry.row) {
            return Err(twice(&lists.train, entry, &format!("{} {}", lists.train.unit, before + 1)));
        }
    }
    for list in [lists.val.as_ref(), Some(&lists.test)].into_iter().flatten() {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for entry in &list.entries {
            if let Some(row) = training.get(&*entry.name) {
                let place = format!("{} {} of `{}`", lists.train.unit, row + 1, lists.train.path.display());
                return Err(twice(list, entry, &place));
            }
            if let Some(before) = seen.insert(&entry.name, entry.row) {
                return Err(twice(list, entry, &format!("{} {}", list.unit, before + 1)));
            }
        }
    }
    Ok(())
}

fn twice(list: &List, entry: &Entry, before: &str) -> ExtractError {
    list.malformed(
        entry.row,
        "each image once",
        &format!("`{}` of {before} again", entry.name),
        "remove one of the two",
    )
}

/// Bytes of each image file; `None` for one that is left out.
fn sizes(root: &Path, list: &List, broken: Broken) -> Result<Vec<Option<u64>>, ExtractError> {
    let check = |entry: &Entry| -> Result<Option<u64>, ExtractError> {
        let path = root.join(&*entry.name);
        match (broken, std::fs::metadata(&path)) {
            (Broken::Refuse, Ok(file)) if file.len() > 0 && file.is_file() => Ok(Some(file.len())),
            // Reading it makes the message.
            (Broken::Refuse, _) => images::read(&path).map(|_| Some(0)),
            (Broken::Skip, file) => {
                Ok(file.ok().map(|file| file.len()).filter(|_| images::read(&path).is_ok()))
            }
        }
    };
    let mut progress = (broken == Broken::Skip)
        .then(|| Progress::new(&format!("check {}", list.path.display()), list.entries.len() as u64));
    let mut sizes = Vec::with_capacity(list.entries.len());
    for entries in list.entries.chunks(CHECKED_AT_ONCE) {
        // Collected in order, so that the first broken image is the one that is named.
        let checked: Vec<_> = entries.par_iter().map(check).collect();
        for size in checked {
            sizes.push(size?);
        }
        if let Some(progress) = &mut progress {
            progress.advance(entries.len() as u64);
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    Ok(sizes)
}
