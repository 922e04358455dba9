//! Lists of images as a data set's own files have them, before anything is checked.

use super::left_out::LeftOuts;
use crate::ExtractError;
use std::path::{Component, Path, PathBuf};

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
    /// Absent where it is to be drawn from the training images.
    pub(super) test: Option<List>,
    /// Names of the classes, or `None` for those that the training list has, from 0 on.
    pub(super) class_names: Option<Vec<String>>,
    /// Files that were found and not taken.
    pub(super) left_out: LeftOuts,
}

/// A path without `.`, doubled slashes and `..`: one spelling for each place.
pub(super) fn normal(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if parts.last().is_some_and(|last| !["..", "/"].contains(last)) => {
                parts.pop();
            }
            Component::ParentDir => parts.push(".."),
            other => parts.push(other.as_os_str().to_str().unwrap_or_default()),
        }
    }
    parts.join("/")
}
