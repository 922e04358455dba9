//! Names of classes, from a file or from the folders of the images.

use super::{
    entries::{self, Entry},
    text,
};
use crate::ExtractError;
use serde_json::Value;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Reads the names of `classes` classes: one a line, a JSON list, or a JSON object from names to numbers.
///
/// # Errors
/// As [`text::read`]; [`ExtractError::Malformed`] for another number of names, and for one name of two classes.
pub(crate) fn read(path: &Path, classes: usize) -> Result<Vec<String>, ExtractError> {
    let what = "the names of the classes, one a line";
    let text = text::read(path, what, "check the path of `--class-names`")?;
    let malformed = |got: String| ExtractError::Malformed {
        path: path.to_owned(),
        expected: format!("{classes} names of classes, one a line or as JSON, in the order of the labels"),
        got,
        hint: "the training labels, or the head, decide the number of classes".to_owned(),
    };
    let names = match text.trim_start().bytes().next() {
        Some(b'[' | b'{') => {
            let value = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
            from_json(&value)
                .ok_or_else(|| malformed("JSON that is neither a list nor names with numbers".to_owned()))?
        }
        _ => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
    };
    if names.len() != classes {
        return Err(malformed(format!("{} names", names.len())));
    }
    let mut seen = HashMap::with_capacity(classes);
    for (class, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, class) {
            return Err(ExtractError::Malformed {
                path: path.to_owned(),
                expected: "a name of its own for each class".to_owned(),
                got: format!("`{name}` for the classes {first} and {class}"),
                hint: "tell them apart, as in `crane (bird)`".to_owned(),
            });
        }
    }
    Ok(names)
}

/// `["a", "b"]` or `{"a": 0, "b": 1}`.
fn from_json(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        Value::Object(numbers) => {
            let mut names = vec![None; numbers.len()];
            for (name, number) in numbers {
                *names.get_mut(usize::try_from(number.as_u64()?).ok()?)? = Some(name.clone());
            }
            names.into_iter().collect()
        }
        _ => None,
    }
}

/// The folders of the images, where each class has one of its own: their paths below the folder that they share.
pub(super) fn from_folders(entries: &[Entry], classes: usize) -> Option<Vec<String>> {
    let mut folders: Vec<Option<PathBuf>> = vec![None; classes];
    for entry in entries {
        let folder = entries::normal(&entry.name);
        let folder = Path::new(&folder).parent()?;
        let slot = folders.get_mut(entry.label as usize)?;
        match slot {
            Some(known) if known == folder => {}
            Some(_) => return None,
            none => *none = Some(folder.to_owned()),
        }
    }
    let folders: Vec<PathBuf> = folders.into_iter().collect::<Option<_>>()?;
    let parts = |folder: &PathBuf| -> Vec<String> {
        folder.iter().map(|part| part.to_string_lossy().into_owned()).collect()
    };
    let paths: Vec<Vec<String>> = folders.iter().map(parts).collect();
    let first = paths.first()?;
    let shared = (0..first.len())
        .take_while(|&depth| paths.iter().all(|path| path.get(depth) == first.get(depth)))
        .count();
    let mut names: Vec<String> =
        paths.iter().map(|path| path.get(shared..).unwrap_or_default().join("/")).collect();
    let result = names.clone();
    names.sort_unstable();
    names.dedup();
    (names.len() == classes && names.iter().all(|name| !name.is_empty())).then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(lines: &[(&str, u32)]) -> Option<Vec<String>> {
        let entries: Vec<Entry> = lines
            .iter()
            .enumerate()
            .map(|(row, (name, label))| Entry { name: (*name).into(), label: *label, row })
            .collect();
        let classes = lines.iter().map(|(_, label)| *label as usize + 1).max().unwrap_or(0);
        from_folders(&entries, classes)
    }

    #[test]
    fn a_folder_for_each_class_gives_its_name() {
        assert_eq!(
            named(&[("train/n02/0.jpg", 1), ("./train/n01/0.jpg", 0), ("train//n02/1.jpg", 1)]).unwrap(),
            ["n01", "n02"]
        );
        assert_eq!(
            named(&[("d/a/house/outdoor/0.jpg", 0), ("d/b/bar/0.jpg", 1)]).unwrap(),
            ["a/house/outdoor", "b/bar"]
        );
        for numbers in [
            &[("im/0.png", 0), ("im/1.png", 1)][..],
            &[("a/0.png", 0), ("b/0.png", 0), ("c/0.png", 1)],
            &[("a/0.png", 0)],
            &[("a/0.png", 0), ("c/0.png", 2)],
            &[("a/0.png", 0), ("a/b/0.png", 1)],
            &[],
        ] {
            assert_eq!(named(numbers), None, "{numbers:?}");
        }
    }

    #[test]
    fn a_file_names_every_class() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        for text in ["\u{feff}ant\r\nbee\r\n\r\n", "[\"ant\", \"bee\"]", "{\"bee\": 1, \"ant\": 0}"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path, 2).unwrap(), ["ant", "bee"], "{text}");
            assert!(matches!(read(&path, 3), Err(ExtractError::Malformed { .. })));
        }
        for text in [
            "[1, 2]",
            "{\"ant\": 0, \"bee\": 2}",
            "{\"ant\": 0, \"bee\": 0}",
            "[\"ant\"",
            "",
            "ant\nant\n",
            "[\"ant\", \"ant\"]",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(read(&path, 2), Err(ExtractError::Malformed { .. })), "{text}");
        }
    }
}
