//! What lies where a result is to go.

use crate::ExtractError;
use files::{atomic, text};
use std::{
    fs::{self, FileType},
    os::unix::fs::FileTypeExt,
    path::Path,
};

/// Refuses a place for a folder where a file, a device or a pipe is, before any work.
///
/// # Errors
/// [`ExtractError::Malformed`].
pub(crate) fn for_folder(path: &Path) -> Result<(), ExtractError> {
    refuse(path, "a folder", FileType::is_dir)
}

/// [`for_folder`], and refuses a folder that holds something but nothing of the names in `own`, which `what` is made of.
///
/// # Errors
/// [`ExtractError::Malformed`].
pub(crate) fn for_folder_with(path: &Path, own: &[&str], what: &str) -> Result<(), ExtractError> {
    for_folder(path)?;
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name()).filter(|name| !atomic::is_temporary(name)).collect();
    names.sort_unstable();
    let Some(first) = names.first().filter(|_| !names.iter().any(|name| own.iter().any(|own| name == own)))
    else {
        return Ok(());
    };
    Err(ExtractError::Malformed {
        path: path.to_owned(),
        expected: format!("{what}, or a folder with nothing in it"),
        got: format!("a folder with `{}` and without {what}", text::os(first)),
        hint: "give a path where nothing is yet".to_owned(),
    })
}

/// Refuses a place for a file where a folder, a device or a pipe is, before any work.
///
/// # Errors
/// [`ExtractError::Malformed`].
pub(crate) fn for_file(path: &Path) -> Result<(), ExtractError> {
    refuse(path, "a file", FileType::is_file)
}

fn refuse(path: &Path, expected: &str, fits: impl Fn(&FileType) -> bool) -> Result<(), ExtractError> {
    let Some(there) = fs::metadata(path).ok().map(|there| there.file_type()).filter(|kind| !fits(kind))
    else {
        return Ok(());
    };
    let got = if there.is_dir() {
        "a folder"
    } else if there.is_file() {
        "a file"
    } else if there.is_fifo() {
        "a pipe"
    } else if there.is_char_device() || there.is_block_device() {
        "a device"
    } else {
        "something else"
    };
    // Nothing of what is there is to be removed: a device is no leaving.
    Err(ExtractError::Malformed {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got: got.to_owned(),
        hint: "give a path where nothing is yet".to_owned(),
    })
}
