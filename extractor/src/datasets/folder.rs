//! Images in a folder of their class, as torchvision's `ImageFolder` reads them: classes in name order.

use super::{
    DatasetKind, SourceFiles, SourceImages,
    assemble::assemble,
    entries::{Entry, List, Lists, normal},
    folders::{children, folders},
    left_out::LeftOuts,
    list::content,
    source_files::FOLDERS,
    splits::{self, SplitFolders},
};
use crate::{ExtractError, transform::Transform};
use cache::LeftOut;
use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// File names that are images.
const EXTENSIONS: [&str; 11] =
    ["jpg", "jpeg", "png", "webp", "bmp", "ppm", "pgm", "pbm", "pnm", "tif", "tiff"];

/// A data set of one's own.
pub(super) const FOLDER: DatasetKind = DatasetKind {
    name: "folder",
    about: "a folder of images for each class: below train/, test/ (and val/), or with --test-fraction or --split-file; --val-fraction where there is no val/; --test-split val and the like name other folders",
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

/// Images of the class folders, and which split each is of.
#[derive(Debug, Default)]
struct Parted {
    names: Vec<String>,
    entries: Vec<Entry>,
    parts: Vec<Option<Part>>,
    /// The folder of each split, for messages.
    folders: [PathBuf; 3],
    left_out: LeftOuts,
}

fn load(files: &SourceFiles) -> Result<SourceImages, ExtractError> {
    let root = &files.root;
    refuse_both(files)?;
    let parted = match (files.fractions.test, &files.split_file) {
        (None, None) => below_parts(files)?,
        (_, split_file) => {
            let folder = split_file.as_ref().unwrap_or(root);
            let mut parted =
                Parted { folders: [folder.clone(), folder.clone(), folder.clone()], ..Parted::default() };
            parted.scan(root, "", Some(Part::Train))?;
            if let Some(path) = split_file {
                parted.parts = listed(path, &parted.entries, &mut parted.left_out)?;
            }
            parted
        }
    };
    let Parted { names, entries, parts, folders: [train, val, test], left_out } = parted;
    let part = |part: Part, path: PathBuf| {
        let chosen =
            entries.iter().zip(&parts).filter(|(_, of)| **of == Some(part)).map(|(entry, _)| entry.clone());
        List { path, unit: "image", entries: chosen.collect() }
    };
    let given = |list: List| (!list.entries.is_empty()).then_some(list);
    // Where no test is drawn, one without images is an error that names its place.
    let test = part(Part::Test, test);
    let test = if files.fractions.test.is_some() { given(test) } else { Some(test) };
    let lists = Lists {
        root: root.clone(),
        train: part(Part::Train, train),
        val: given(part(Part::Val, val)),
        test,
        class_names: Some(names),
        left_out,
    };
    assemble(lists, files)
}

/// Refuses two answers to one question.
fn refuse_both(files: &SourceFiles) -> Result<(), ExtractError> {
    let named = [
        ("--train-split", &files.train_split),
        ("--val-split", &files.val_split),
        ("--test-split", &files.test_split),
    ];
    let named = named.into_iter().find(|(_, name)| name.is_some()).map(|(option, _)| option);
    let other = match (files.fractions.test, &files.split_file, named) {
        (Some(_), Some(_), _) => Some(("--test-fraction", "no split file beside it".to_owned())),
        (Some(_), None, Some(named)) => Some(("--test-fraction", format!("no `{named}` beside it"))),
        (None, Some(_), Some(named)) => Some(("--split-file", format!("no `{named}` beside it"))),
        _ => None,
    };
    match other {
        Some((name, expected)) => Err(ExtractError::InvalidSetting {
            name,
            expected,
            got: "both".to_owned(),
            hint: "give one of the two".to_owned(),
        }),
        None => Ok(()),
    }
}

impl Parted {
    /// Adds the class folders of `root/below` and the images in them, all in name order; rows are counted from 0.
    fn scan(&mut self, root: &Path, below: &str, part: Option<Part>) -> Result<(), ExtractError> {
        let folder = if below.is_empty() { root.to_owned() } else { root.join(below) };
        let names = self.class_folders(&folder, below)?;
        let first = self.names.is_empty();
        if first {
            self.names.clone_from(&names);
        }
        let before = self.entries.len();
        for name in &names {
            let class = self.names.iter().position(|class| class == name);
            let Some(label) = class.and_then(|class| u32::try_from(class).ok()) else {
                return Err(ExtractError::Malformed {
                    path: folder.join(name),
                    expected: "a class that has training images".to_owned(),
                    got: format!("`{name}`"),
                    hint: "class folders have the same names in every split".to_owned(),
                });
            };
            let start = self.entries.len();
            let mut images = Vec::new();
            let open = vec![inode(root)?, inode(&folder)?];
            let mut walk = Walk { images: &mut images, left_out: &mut self.left_out, open };
            walk.folder(&folder.join(name), &mut PathBuf::from(below).join(name))?;
            let rows = (start - before)..;
            self.entries.extend(images.into_iter().zip(rows).map(|(name, row)| Entry {
                name: name.into(),
                label,
                row,
            }));
            if first && self.entries.len() == start {
                return Err(empty_class(&folder.join(name), name));
            }
        }
        if self.entries.len() == before {
            return Err(not_found(
                &folder,
                &format!("images ({}) in the folders of the classes", EXTENSIONS.join(", ")),
            ));
        }
        self.parts.resize(self.entries.len(), part);
        Ok(())
    }

    /// The folders of the classes; what lies beside them is left out.
    fn class_folders(&mut self, folder: &Path, below: &str) -> Result<Vec<String>, ExtractError> {
        let mut names = Vec::new();
        for name in children(folder)? {
            let shown = PathBuf::from(below).join(&name).display().to_string();
            match (name.starts_with('.'), folder.join(&name).is_dir()) {
                (true, _) => self.left_out.add(HIDDEN, &shown),
                (false, true) => names.push(name),
                (false, false) => self.left_out.add("files outside of the class folders", &shown),
            }
        }
        if names.is_empty() {
            return Err(not_found(folder, "a folder of images for each class"));
        }
        splits::refuse_as_classes(folder, &names)?;
        Ok(names)
    }
}

fn not_found(folder: &Path, expected: &str) -> ExtractError {
    ExtractError::NotFound {
        path: folder.to_owned(),
        expected: expected.to_owned(),
        hint: "`extractor datasets` says what each data set needs".to_owned(),
    }
}

fn empty_class(folder: &Path, name: &str) -> ExtractError {
    let there = children(folder).unwrap_or_default();
    let first: Vec<String> = there.iter().take(3).map(|name| format!("`{name}`")).collect();
    let there = match (first.is_empty(), there.len() > first.len()) {
        (true, _) => "an empty folder".to_owned(),
        (false, more) => format!("only {}{}", first.join(", "), if more { " …" } else { "" }),
    };
    ExtractError::Malformed {
        path: folder.to_owned(),
        expected: format!("training images of the class `{name}` ({})", EXTENSIONS.join(", ")),
        got: there,
        hint: "put images there, or remove the folder".to_owned(),
    }
}

const HIDDEN: &str = "files hidden by a leading dot";

/// A walk through the folder of a class.
struct Walk<'a> {
    images: &'a mut Vec<String>,
    left_out: &'a mut LeftOuts,
    /// The folders that the walk is in: a link back to one of them would never end.
    open: Vec<(u64, u64)>,
}

impl Walk<'_> {
    /// Images below a folder, in name order, with `/` between the parts of their names.
    fn folder(&mut self, folder: &Path, below: &mut PathBuf) -> Result<(), ExtractError> {
        let place = inode(folder)?;
        if self.open.contains(&place) {
            self.left_out.add("links to a folder around them", &shown(below));
            return Ok(());
        }
        self.open.push(place);
        for name in children(folder)? {
            let path = folder.join(&name);
            below.push(&name);
            let extension = path.extension().and_then(|text| text.to_str()).map(str::to_ascii_lowercase);
            if name.starts_with('.') {
                self.left_out.add(HIDDEN, &shown(below));
            } else if path.is_dir() {
                self.folder(&path, below)?;
            } else if extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension)) {
                self.images.push(shown(below));
            } else {
                self.left_out.add("files whose ending is of no image", &shown(below));
            }
            below.pop();
        }
        self.open.pop();
        Ok(())
    }
}

/// The images below a folder, in name order and relative to it, and what else lies there.
///
/// # Errors
/// [`ExtractError::File`]; [`ExtractError::Malformed`] for names that are not in UTF-8.
pub(crate) fn images_below(folder: &Path) -> Result<(Vec<String>, Vec<LeftOut>), ExtractError> {
    let (mut images, mut left_out) = (Vec::new(), LeftOuts::default());
    let mut walk = Walk { images: &mut images, left_out: &mut left_out, open: Vec::new() };
    walk.folder(folder, &mut PathBuf::new())?;
    Ok((images, left_out.into_list()))
}

fn inode(folder: &Path) -> Result<(u64, u64), ExtractError> {
    let metadata = std::fs::metadata(folder).map_err(ExtractError::io("read", folder))?;
    Ok((metadata.dev(), metadata.ino()))
}

fn shown(below: &Path) -> String {
    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The folders of the splits, each with the folders of the classes.
fn below_parts(files: &SourceFiles) -> Result<Parted, ExtractError> {
    let root = &files.root;
    let folders = folders(root)?;
    if folders.is_empty() {
        return Err(not_found(root, "a folder of images for each class"));
    }
    let SplitFolders { train, val, test } = splits::find(files, &folders)?;
    let path = |name: &Option<String>| name.as_ref().map_or_else(PathBuf::new, |name| root.join(name));
    let (train, test) = (Some(train), Some(test));
    let mut parted = Parted { folders: [&train, &val, &test].map(path), ..Parted::default() };
    for (below, part) in [(&train, Part::Train), (&val, Part::Val), (&test, Part::Test)] {
        if let Some(below) = below {
            parted.scan(root, below, Some(part))?;
        }
    }
    for name in children(root)? {
        let taken = [&train, &val, &test].iter().any(|split| split.as_ref() == Some(&name));
        match (taken, name.starts_with('.'), root.join(&name).is_dir()) {
            (true, ..) => {}
            (_, true, _) => parted.left_out.add(HIDDEN, &name),
            (_, _, true) => parted.left_out.add("folders beside the splits", &name),
            _ => parted.left_out.add("files beside the splits", &name),
        }
    }
    Ok(parted)
}

/// The parts that a file gives, one `relative/path train|val|test` a line; images that it does not name are left out.
fn listed(
    path: &Path,
    entries: &[Entry],
    left_out: &mut LeftOuts,
) -> Result<Vec<Option<Part>>, ExtractError> {
    let rows: HashMap<String, usize> = entries.iter().map(|entry| (normal(&entry.name), entry.row)).collect();
    let mut parts = vec![None; entries.len()];
    for (line, content) in content(path)?.trim_end().lines().enumerate() {
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
        let slot = rows.get(&normal(name)).and_then(|&row| parts.get_mut(row));
        match slot.ok_or_else(|| malformed("an image in the folder of its class"))? {
            Some(_) => return Err(malformed("each image once")),
            none => *none = Some(part),
        }
    }
    for (entry, _) in entries.iter().zip(&parts).filter(|(_, part)| part.is_none()) {
        left_out.add("images that the split file does not name", &entry.name);
    }
    Ok(parts)
}
