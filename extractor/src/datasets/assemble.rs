//! Named image files with labels to a checked data set: what lists, annotations and folders have in common.

use super::{
    Broken, Glance, ImageFiles, ImageSet, Images, SourceFiles, SourceImages,
    entries::{Entry, List, Lists, normal},
    glance, names,
};
use crate::{ExtractError, images};
use cache::{ClassId, Split};
use program::progress::Progress;
use rayon::prelude::*;
use std::{collections::HashMap, path::Path};

/// Images that are checked between two moves of the progress bar.
const CHECKED_AT_ONCE: usize = 512;

/// From so many images on a glance at them takes long enough for a progress bar.
const MANY: usize = 20_000;

/// Checks labels, names and files, and makes the data set.
///
/// # Errors
/// [`ExtractError::Malformed`] for labels outside the class set, classes without training images, splits without images and
/// images in two places; for missing and broken images the errors of [`images::read`], unless `files` says to leave them out.
pub(super) fn assemble(lists: Lists, source: &SourceFiles) -> Result<SourceImages, ExtractError> {
    if !lists.root.is_dir() {
        return Err(ExtractError::NotFound {
            path: lists.root,
            expected: "the folder that image names are relative to".to_owned(),
            hint: "check `--data`".to_owned(),
        });
    }
    let classes = check_labels(&lists)?;
    check_names(&lists)?;
    let Lists { root, train, val, test, class_names, mut left_out } = lists;
    let class_names = match (&source.class_names, class_names) {
        (Some(path), _) => names::read(path, classes)?,
        (None, Some(names)) => names,
        (None, None) => names::from_folders(&train.entries, classes)
            .unwrap_or_else(|| (0..classes).map(|class| class.to_string()).collect()),
    };
    let (mut digest, mut names_digest) = (blake3::Hasher::new(), blake3::Hasher::new());
    let mut inodes = HashMap::new();
    let mut skipped = Vec::new();
    let mut set_of = |split: Split, list: List, class_names: Option<&[String]>| {
        let glances = glances(&root, &list, source)?;
        check_files(&list, &glances, split, &mut inodes)?;
        check_rest(&list, &glances, class_names)?;
        let mut files =
            ImageFiles { root: root.clone(), max_pixels: source.max_pixels, ..ImageFiles::default() };
        let mut set = ImageSet::default();
        for (entry, glance) in list.entries.into_iter().zip(glances) {
            let size = glance.map(|glance| glance.bytes);
            digest.update(format!("{} {} {size:?}\n", entry.name, entry.label).as_bytes());
            names_digest.update(format!("{} {}\n", entry.name, entry.label).as_bytes());
            let Some(glance) = glance else {
                skipped.push(String::from(entry.name));
                continue;
            };
            files.names.push(entry.name);
            files.glances.push(glance);
            set.labels.push(ClassId(entry.label));
            set.sample_ids.push(i64::try_from(entry.row).unwrap_or(i64::MAX));
        }
        digest.update(b"\n");
        names_digest.update(b"\n");
        Ok::<_, ExtractError>(ImageSet { images: Images::Files(files), ..set })
    };
    let train = set_of(Split::Train, train, Some(&class_names))?;
    let val = val.map(|list| set_of(Split::Val, list, None)).transpose()?;
    let test = test.map(|list| set_of(Split::Test, list, None)).transpose()?;
    for name in &skipped {
        left_out.add("images that could not be read", name);
    }
    Ok(SourceImages {
        root_digest: digest.finalize().to_hex().to_string(),
        names_digest: names_digest.finalize().to_hex().to_string(),
        class_names,
        train,
        val,
        test,
        skipped,
        left_out: left_out.into_list(),
    })
}

/// Refuses a file that another split or another class holds under another name: a link to it.
fn check_files(
    list: &List,
    glances: &[Option<Glance>],
    split: Split,
    inodes: &mut HashMap<(u64, u64), (Split, u32, String)>,
) -> Result<(), ExtractError> {
    for (entry, glance) in list.entries.iter().zip(glances) {
        let Some(inode) = glance.map(|glance| glance.inode).filter(|inode| *inode != (0, 0)) else {
            continue;
        };
        let own = || (split, entry.label, entry.name.to_string());
        let (other, label, name) = inodes.entry(inode).or_insert_with(own);
        let expected = match (*other == split, *label == entry.label) {
            (false, _) => "each file in one split",
            (true, false) => "each file in one class",
            (true, true) => continue,
        };
        let got = format!("`{}`, the same file as `{name}`,", entry.name);
        return Err(list.malformed(entry.row, expected, &got, "remove one of the two"));
    }
    Ok(())
}

/// Refuses a split without readable images, and for training a class without any.
fn check_rest(
    list: &List,
    glances: &[Option<Glance>],
    class_names: Option<&[String]>,
) -> Result<(), ExtractError> {
    let pairs = || list.entries.iter().zip(glances);
    let gone = |class: Option<u32>| {
        let gone =
            pairs().filter(|(entry, glance)| glance.is_none() && class.is_none_or(|c| c == entry.label));
        let names: Vec<String> = gone.map(|(entry, _)| format!("`{}`", entry.name)).collect();
        let more = if names.len() > 3 { " …" } else { "" };
        format!("{}{more}", names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    let nothing = |expected: String, class: Option<u32>| ExtractError::Malformed {
        path: list.path.clone(),
        expected,
        got: format!("none that can be read: {} left out", gone(class)),
        hint: "get these files again, or remove them from the data set".to_owned(),
    };
    if glances.iter().all(Option::is_none) {
        return Err(nothing("images".to_owned(), None));
    }
    let Some(class_names) = class_names else { return Ok(()) };
    let mut counts = vec![0_u64; class_names.len()];
    for (entry, _) in pairs().filter(|(_, glance)| glance.is_some()) {
        counts.iter_mut().skip(entry.label as usize).take(1).for_each(|count| *count += 1);
    }
    match (0..).zip(&counts).zip(class_names).find(|((_, count), _)| **count == 0) {
        Some(((class, _), name)) => Err(nothing(format!("a training image of class `{name}`"), Some(class))),
        None => Ok(()),
    }
}

/// The number of classes, after a check that every label is one of them and each has a training image.
fn check_labels(lists: &Lists) -> Result<usize, ExtractError> {
    let largest = lists.train.entries.iter().map(|entry| entry.label as usize + 1).max().unwrap_or(0);
    let classes = lists.class_names.as_ref().map_or(largest, Vec::len);
    for list in [Some(&lists.train), lists.val.as_ref(), lists.test.as_ref()].into_iter().flatten() {
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

/// No image twice, in a list or in two of them, however its path is spelt.
fn check_names(lists: &Lists) -> Result<(), ExtractError> {
    let mut seen: HashMap<String, (&List, usize)> = HashMap::new();
    for list in [Some(&lists.train), lists.val.as_ref(), lists.test.as_ref()].into_iter().flatten() {
        for entry in &list.entries {
            if let Some((before, row)) = seen.insert(normal(&entry.name), (list, entry.row)) {
                let place = if std::ptr::eq(before, list) {
                    format!("{} {}", list.unit, row + 1)
                } else {
                    format!("{} {} of `{}`", before.unit, row + 1, before.path.display())
                };
                return Err(twice(list, entry, &place));
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

/// A glance at each image file; `None` for one that is left out.
fn glances(root: &Path, list: &List, source: &SourceFiles) -> Result<Vec<Option<Glance>>, ExtractError> {
    let broken = source.broken;
    let check = |entry: &Entry| -> Result<Glance, ExtractError> {
        let path = root.join(&*entry.name);
        let glance = glance::at(&path, source.max_pixels)?;
        // What the ends do not show is found now or never: the samples must be known before the first shard.
        if broken == Broken::Skip {
            images::read(&path, source.max_pixels)?;
        }
        Ok(glance)
    };
    let slow = broken == Broken::Skip || list.entries.len() >= MANY;
    let mut progress =
        slow.then(|| Progress::new(&format!("check {}", list.path.display()), list.entries.len() as u64));
    let mut glances = Vec::with_capacity(list.entries.len());
    let mut failures = Vec::new();
    for entries in list.entries.chunks(CHECKED_AT_ONCE) {
        // Collected in order, so that the first broken image is the one that is named.
        let checked: Vec<_> = entries.par_iter().map(check).collect();
        for (entry, result) in entries.iter().zip(checked) {
            match result {
                Ok(glance) => glances.push(Some(glance)),
                Err(error) => {
                    glances.push(None);
                    failures.push((entry, error));
                }
            }
        }
        if let Some(progress) = &mut progress {
            progress.advance(entries.len() as u64);
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    let mut failures = failures.into_iter();
    match failures.next().filter(|_| broken == Broken::Refuse) {
        Some((_, first)) => {
            Err(with_others(first, &failures.map(|(entry, _)| &*entry.name).collect::<Vec<_>>()))
        }
        None => Ok(glances),
    }
}

/// The error of the first broken image with the names of the next ones.
fn with_others(first: ExtractError, others: &[&str]) -> ExtractError {
    const SHOWN: usize = 3;
    if others.is_empty() {
        return first;
    }
    let more = if others.len() > SHOWN { " …" } else { "" };
    let names = others.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let note = format!(" ({} more of this split cannot be read: {names}{more})", others.len());
    match first {
        ExtractError::Malformed { path, expected, got, hint } => {
            ExtractError::Malformed { path, expected, got: got + &note, hint }
        }
        ExtractError::NotFound { path, expected, hint } => {
            ExtractError::NotFound { path, expected: expected + &note, hint }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_spelling() {
        for name in ["a/b.png", "./a/b.png", "a//b.png", "a/./b.png", "a/c/../b.png", "c/../a/b.png"] {
            assert_eq!(normal(name), "a/b.png", "{name}");
        }
        assert_eq!(normal("../a.png"), "../a.png");
        assert_eq!(normal("/a/../b.png"), normal("/b.png"));
        assert_ne!(normal("/b.png"), normal("b.png"));
    }
}
