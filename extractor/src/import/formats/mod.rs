//! Formats of files that other programs write.
//!
//! To add one whose files hold arrays under names: a file here with its [`Format`], and one line in [`FORMATS`]. [`npy`] is none
//! of them: a file is one array, and the command line says which.

pub(super) mod npy;
mod npz;
mod safetensors_file;

use super::matrix::Array;
use crate::error::ExtractError;
use files::content::Content;
use std::path::Path;

/// Every format of named arrays.
static FORMATS: &[Format] = &[safetensors_file::SAFETENSORS, npz::NPZ];

/// An array, where there is one.
type Found = Result<Option<Array>, ExtractError>;

/// A format whose files hold arrays under names.
struct Format {
    /// What such a file is called.
    name: &'static str,
    /// What its arrays are called.
    arrays: &'static str,
    /// How the arrays get their names.
    naming: &'static str,
    /// Whether bytes begin as such a file.
    begins: fn(&[u8]) -> bool,
    /// The array of a name in the bytes of the file at a path; `None` where there is no such array,
    /// [`ExtractError::Malformed`] for a damaged file and for number formats that are not read here.
    array: fn(&Path, &[u8], &str) -> Found,
}

/// A file of named arrays, in memory.
pub(super) struct NamedArrays<'path> {
    path: &'path Path,
    bytes: Vec<u8>,
    format: &'static Format,
}

impl<'path> NamedArrays<'path> {
    /// Reads a file of any of [`FORMATS`], told by its beginning.
    ///
    /// # Errors
    /// [`ExtractError::File`]; [`ExtractError::Malformed`] for any other file.
    pub(super) fn read(path: &'path Path) -> Result<Self, ExtractError> {
        let bytes = files::regular::read(path).map_err(ExtractError::io("read", path))?;
        match FORMATS.iter().find(|format| (format.begins)(&bytes)) {
            Some(format) => Ok(Self { path, bytes, format }),
            None => Err(another(path, Content::of(&bytes))),
        }
    }

    /// The array of this name, where there is one.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`].
    pub(super) fn array(&self, name: &str) -> Found {
        (self.format.array)(self.path, &self.bytes, name)
    }

    /// The array of this name.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`], also where there is none.
    pub(super) fn required(&self, name: &str) -> Result<Array, ExtractError> {
        self.array(name)?.ok_or_else(|| ExtractError::Malformed {
            path: self.path.to_owned(),
            expected: format!("{} `features` and `labels`", self.format.arrays),
            got: format!("no `{name}`"),
            hint: self.format.naming.to_owned(),
        })
    }

    /// BLAKE3 of the file, in hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        blake3::hash(&self.bytes).to_hex().to_string()
    }
}

/// The error for a file of none of these formats.
fn another(path: &Path, content: Option<Content>) -> ExtractError {
    let hint = match content {
        Some(Content::Npy) => {
            "NumPy files go to `--train-features` and `--train-labels`, and so on".to_owned()
        }
        // Features, not weights: the converter is for the latter.
        Some(Content::TorchSave | Content::Pickle | Content::TorchScript) => {
            "save the tensors with `safetensors.torch.save_file`".to_owned()
        }
        Some(content) => content.hint(path),
        None => "the file is damaged, or none of these: save it again".to_owned(),
    };
    ExtractError::Malformed {
        path: path.to_owned(),
        expected: FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(" or "),
        got: content.map_or("another file", Content::name).to_owned(),
        hint,
    }
}
