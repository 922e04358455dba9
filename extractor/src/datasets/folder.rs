//! Images in a folder of their class, as torchvision's `ImageFolder` reads them: classes in name order.

use super::{
    DatasetKind, SourceFiles, SourceImages,
    assemble::{Entry, List, Lists, assemble},
    list::text,
    source_files::FOLDERS,
};
use crate::{ExtractError, transform::Transform};
use shared::random;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// File names that are images.
const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "bmp", "ppm", "pgm", "pbm", "pnm"];

/// A data set of one's own.
pub(super) const FOLDER: DatasetKind = DatasetKind {
    name: "folder",
    about: "a folder of images for each class: below train/, test/ (and val/), or with --test-fraction or --split-file",
    transform: Transform::PHOTOGRAPHS,
    takes: FOLDERS,
    load,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Train,
    Val,
    Test,
}

fn load(files: &SourceFiles) -> Result<SourceImages, ExtractError> {
    let root = &files.root;
    let (names, entries, parts) = match (files.test_fraction, &files.split_file) {
        (Some(_), Some(_)) => {
            return Err(ExtractError::InvalidSetting {
                name: "--test-fraction",
                expected: "no split file beside it".to_owned(),
                got: "both".to_owned(),
                hint: "give one of the two".to_owned(),
            });
        }
        (Some(fraction), None) => {
            let (names, entries) = scan(root, "", None)?;
            let parts = drawn(&entries, names.len(), fraction, files.split_seed)?;
            (names, entries, parts)
        }
        (None, Some(path)) => {
            let (names, entries) = scan(root, "", None)?;
            let parts = listed(path, &entries)?;
            (names, entries, parts)
        }
        (None, None) => below_parts(root)?,
    };
    let part = |part: Part| {
        let chosen =
            entries.iter().zip(&parts).filter(|(_, of)| **of == Some(part)).map(|(entry, _)| entry.clone());
        List { path: root.clone(), unit: "image", entries: chosen.collect() }
    };
    let val = part(Part::Val);
    let val = (!val.entries.is_empty()).then_some(val);
    let lists = Lists {
        root: root.clone(),
        train: part(Part::Train),
        val,
        test: part(Part::Test),
        class_names: Some(names),
    };
    assemble(lists, files.broken)
}

type Scanned = (Vec<String>, Vec<Entry>);

/// Class folders of `root/below` and the images in them, all in name order; rows go on from `first`.
fn scan(root: &Path, below: &str, known: Option<&[String]>) -> Result<Scanned, ExtractError> {
    let folder = root.join(below);
    let names: Vec<String> =
        children(&folder)?.into_iter().filter(|name| folder.join(name).is_dir()).collect();
    let not_found = |expected: &str| ExtractError::NotFound {
        path: folder.clone(),
        expected: expected.to_owned(),
        hint: "`extractor datasets` says what each data set needs".to_owned(),
    };
    if names.is_empty() {
        return Err(not_found("a folder of images for each class"));
    }
    let mut entries = Vec::new();
    for name in &names {
        let class = known.unwrap_or(&names).iter().position(|class| class == name);
        let Some(label) = class.and_then(|class| u32::try_from(class).ok()) else {
            return Err(ExtractError::Malformed {
                path: folder.join(name),
                expected: "a class that has training images".to_owned(),
                got: format!("`{name}`"),
                hint: "class folders have the same names in train/, val/ and test/".to_owned(),
            });
        };
        let mut images = Vec::new();
        walk(&folder.join(name), &mut PathBuf::from(below).join(name), &mut images)?;
        entries.extend(images.into_iter().map(|name| Entry { name: name.into(), label, row: 0 }));
    }
    if entries.is_empty() {
        return Err(not_found("images (jpg, png, webp, bmp, pnm) in the folders of the classes"));
    }
    for (row, entry) in entries.iter_mut().enumerate() {
        entry.row = row;
    }
    Ok((names, entries))
}

/// Images below a folder, in name order, with `/` between the parts of their names.
fn walk(folder: &Path, below: &mut PathBuf, images: &mut Vec<String>) -> Result<(), ExtractError> {
    for name in children(folder)? {
        let path = folder.join(&name);
        below.push(&name);
        let extension = path.extension().and_then(|text| text.to_str()).map(str::to_ascii_lowercase);
        if path.is_dir() {
            walk(&path, below, images)?;
        } else if extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension)) {
            images.push(below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"));
        }
        below.pop();
    }
    Ok(())
}

/// Names in a folder in order, without hidden ones.
fn children(folder: &Path) -> Result<Vec<String>, ExtractError> {
    let entries = std::fs::read_dir(folder).map_err(ExtractError::io("read", folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(ExtractError::io("read", folder))?.file_name();
        let name = name.into_string().map_err(|name| ExtractError::Malformed {
            path: folder.join(&name),
            expected: "a name in UTF-8".to_owned(),
            got: "other bytes".to_owned(),
            hint: "rename it".to_owned(),
        })?;
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

type Parted = (Vec<String>, Vec<Entry>, Vec<Option<Part>>);

/// `train/`, `test/` and, where it is there, `val/`, each with the folders of the classes.
fn below_parts(root: &Path) -> Result<Parted, ExtractError> {
    if !["train", "test"].iter().all(|name| root.join(name).is_dir()) {
        return Err(ExtractError::InvalidSetting {
            name: "--test-fraction",
            expected: "a fraction, a `--split-file`, or the folders `train` and `test`".to_owned(),
            got: format!("none of them for `{}`", root.display()),
            hint: "`--test-fraction 0.2` keeps a fifth of each class for the test".to_owned(),
        });
    }
    let (names, mut entries) = scan(root, "train", None)?;
    let mut parts = vec![Some(Part::Train); entries.len()];
    for (below, part) in [("val", Part::Val), ("test", Part::Test)] {
        if root.join(below).is_dir() {
            let (_, more) = scan(root, below, Some(&names))?;
            parts.extend(more.iter().map(|_| Some(part)));
            entries.extend(more);
        }
    }
    Ok((names, entries, parts))
}

/// A random part of each class for the test, the rest for training: a function of the seed and the class's images.
fn drawn(
    entries: &[Entry],
    classes: usize,
    fraction: f64,
    seed: u64,
) -> Result<Vec<Option<Part>>, ExtractError> {
    let wrong = |got: String, hint: &str| ExtractError::InvalidSetting {
        name: "--test-fraction",
        expected: "a number between 0 and 1 that leaves training and test images".to_owned(),
        got,
        hint: hint.to_owned(),
    };
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(wrong(fraction.to_string(), "0.2 keeps a fifth of each class for the test"));
    }
    let mut rows = vec![Vec::new(); classes];
    for (row, entry) in entries.iter().enumerate() {
        rows.iter_mut().skip(entry.label as usize).take(1).for_each(|class| class.push(row));
    }
    let mut parts = vec![Some(Part::Train); entries.len()];
    for (class, rows) in (0_u64..).zip(&rows) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most the number of images"
        )]
        let n = (rows.len() as f64 * fraction).round() as usize;
        if rows.len() < 2 {
            return Err(wrong(
                format!("{fraction} of {} images of class {class}", rows.len()),
                "each class needs two images",
            ));
        }
        let order = random::permutation(&mut random::stream(seed, "test split", class), rows.len());
        for chosen in order.into_iter().take(n.clamp(1, rows.len() - 1)) {
            if let Some(part) = rows.get(chosen as usize).and_then(|&row| parts.get_mut(row)) {
                *part = Some(Part::Test);
            }
        }
    }
    Ok(parts)
}

/// The parts that a file gives, one `relative/path train|val|test` a line; images that it does not name are left out.
fn listed(path: &Path, entries: &[Entry]) -> Result<Vec<Option<Part>>, ExtractError> {
    let rows: HashMap<&str, usize> = entries.iter().map(|entry| (&*entry.name, entry.row)).collect();
    let mut parts = vec![None; entries.len()];
    for (line, content) in text(path)?.trim_end().lines().enumerate() {
        let malformed = |expected: &str| ExtractError::Malformed {
            path: path.to_owned(),
            expected: expected.to_owned(),
            got: format!("`{}` in line {}", content.chars().take(60).collect::<String>(), line + 1),
            hint: "paths are relative to `--data`, one image a line".to_owned(),
        };
        let parsed = content.trim().rsplit_once([' ', '\t']).and_then(|(name, part)| {
            let part = match part {
                "train" => Part::Train,
                "val" => Part::Val,
                "test" => Part::Test,
                _ => return None,
            };
            Some((name.trim_end(), part))
        });
        let (name, part) = parsed.ok_or_else(|| malformed("`relative/path train|val|test`"))?;
        let slot = rows.get(name).and_then(|&row| parts.get_mut(row));
        match slot.ok_or_else(|| malformed("an image in the folder of its class"))? {
            Some(_) => return Err(malformed("each image once")),
            none => *none = Some(part),
        }
    }
    Ok(parts)
}
