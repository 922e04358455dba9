//! Where the files of a data set are, as the command line says it.

use super::{DatasetKind, Fractions};
use crate::{ExtractError, images::MaxPixels};
use std::path::{Path, PathBuf};

/// What happens to images that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Broken {
    /// The first one is an error.
    #[default]
    Refuse,
    /// They are left out, said and listed in the manifest. Every image is decoded once to find them.
    Skip,
}

/// A folder, and what data sets of image files need beside it; paths are those of the command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceFiles {
    /// The folder that image names are relative to.
    pub root: PathBuf,
    /// List or annotations of the training images, in place of the usual file in the folder.
    pub train_list: Option<PathBuf>,
    /// The same for validation images.
    pub val_list: Option<PathBuf>,
    /// The same for test images.
    pub test_list: Option<PathBuf>,
    /// The splits that are drawn from the training images.
    pub fractions: Fractions,
    /// A list `relative/path train|val|test`, for a folder.
    pub split_file: Option<PathBuf>,
    /// Folder of the training images, where it is not called `train`.
    pub train_split: Option<String>,
    /// The same for validation images, `val`.
    pub val_split: Option<String>,
    /// The same for test images, `test`.
    pub test_split: Option<String>,
    /// Names of the classes, in place of those of the data set.
    pub class_names: Option<PathBuf>,
    /// Pixels that an image may have.
    pub max_pixels: MaxPixels,
    /// What happens to images that cannot be read.
    pub broken: Broken,
}

pub(super) const LISTS: &[&str] =
    &["--train-list", "--val-list", "--test-list", "--class-names", "--max-pixels", "--skip-broken"];
pub(super) const FOLDERS: &[&str] = &[
    "--split-file",
    "--train-split",
    "--val-split",
    "--test-split",
    "--class-names",
    "--max-pixels",
    "--skip-broken",
];

impl<P: AsRef<Path> + ?Sized> From<&P> for SourceFiles {
    fn from(root: &P) -> Self {
        Self { root: root.as_ref().to_owned(), ..Self::default() }
    }
}

impl SourceFiles {
    /// Refuses what a data set has no use for.
    pub(super) fn check(&self, kind: &DatasetKind) -> Result<(), ExtractError> {
        let given = [
            ("--train-list", self.train_list.is_some()),
            ("--val-list", self.val_list.is_some()),
            ("--test-list", self.test_list.is_some()),
            ("--split-file", self.split_file.is_some()),
            ("--train-split", self.train_split.is_some()),
            ("--val-split", self.val_split.is_some()),
            ("--test-split", self.test_split.is_some()),
            ("--class-names", self.class_names.is_some()),
            ("--max-pixels", self.max_pixels != MaxPixels::default()),
            ("--skip-broken", self.broken == Broken::Skip),
        ];
        match given.into_iter().find(|(name, given)| *given && !kind.takes.contains(name)) {
            Some((name, _)) => Err(ExtractError::InvalidSetting {
                name,
                expected: format!("a data set that takes it, not `{}`", kind.name),
                got: "a value".to_owned(),
                hint: "leave it out; `extractor datasets` says what each needs".to_owned(),
            }),
            None => Ok(()),
        }
    }
}
