//! What a file holds, told by its first bytes, where it is not what was asked for.

use crate::text;
use std::path::Path;

/// What a file holds, by its first bytes, where it is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// No byte.
    Empty,
    /// HTML or XML: what a server sends in place of a file.
    WebPage,
    /// The text that stands for a file in a Git repository without Git LFS.
    LfsPointer,
    /// `torch.save`.
    TorchSave,
    /// `torch.jit.save`.
    TorchScript,
    /// A pickle: `torch.save` of old versions.
    Pickle,
    /// `numpy.save`.
    Npy,
    /// `numpy.savez`.
    Npz,
    /// Another zip archive.
    Zip,
    /// HDF5.
    Hdf5,
    /// Parquet.
    Parquet,
    /// gzip, zstd, xz or bzip2.
    Compressed,
    /// JSON, as the index of a sharded model.
    Json,
}

impl Content {
    /// What the bytes of a whole file are; `None` for safetensors and for what is not known.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        let opens =
            |text: &str| start.get(..text.len()).is_some_and(|s| s.eq_ignore_ascii_case(text.as_bytes()));
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        Some(match () {
            () if bytes.is_empty() => Self::Empty,
            () if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") => Self::of_zip(bytes),
            () if starts(b"\x93NUMPY") => Self::Npy,
            () if starts(b"\x89HDF") => Self::Hdf5,
            () if starts(b"PAR1") => Self::Parquet,
            () if [&b"\x1f\x8b"[..], b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh"].into_iter().any(starts) => {
                Self::Compressed
            }
            () if starts(b"\x80") && bytes.get(1).is_some_and(|protocol| (2..=5).contains(protocol)) => {
                Self::Pickle
            }
            () if ["<!doctype", "<html", "<?xml", "<head"].into_iter().any(opens) => Self::WebPage,
            () if opens("version https://git-lfs") => Self::LfsPointer,
            () if opens("{") || opens("[") => Self::Json,
            () => return None,
        })
    }

    fn of_zip(bytes: &[u8]) -> Self {
        let holds = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
        if holds(b"/code/__torch__") || holds(b"/constants.pkl") {
            Self::TorchScript
        } else if holds(b"/data.pkl") {
            Self::TorchSave
        } else if holds(b".npy") {
            Self::Npz
        } else {
            Self::Zip
        }
    }

    /// What it is, for "got …".
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "an empty file",
            Self::WebPage => "a web page (HTML)",
            Self::LfsPointer => "a Git LFS pointer",
            Self::TorchSave | Self::Pickle => "a PyTorch pickle",
            Self::TorchScript => "a TorchScript module",
            Self::Npy => "a NumPy file",
            Self::Npz => "a NumPy archive (npz)",
            Self::Zip => "a zip archive",
            Self::Hdf5 => "an HDF5 file",
            Self::Parquet => "a Parquet file",
            Self::Compressed => "a compressed file",
            Self::Json => "JSON text",
        }
    }

    /// What to do where a safetensors file is asked for.
    pub fn hint(self, path: &Path) -> String {
        match self {
            Self::Empty => "write or download it again".to_owned(),
            Self::WebPage => "download the file itself, not the page about it".to_owned(),
            Self::LfsPointer => "fetch the file that it stands for: `git lfs pull`".to_owned(),
            Self::TorchSave | Self::Pickle => {
                format!("convert it: `python3 extractor/convert.py {} FILE.safetensors`", text::path(path))
            }
            Self::TorchScript => "`extractor dump --torchscript FILE` takes modules".to_owned(),
            Self::Compressed => "decompress it first".to_owned(),
            Self::Json => "give the safetensors file itself, not its index".to_owned(),
            Self::Npy | Self::Npz | Self::Zip | Self::Hdf5 | Self::Parquet => {
                "save the arrays with `safetensors.numpy.save_file`".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_programs_are_known() {
        for (bytes, expected) in [
            (&b""[..], Some(Content::Empty)),
            (b"\n<!DOCTYPE html><title>404", Some(Content::WebPage)),
            (b"version https://git-lfs.github.com/spec/v1\n", Some(Content::LfsPointer)),
            (b"PK\x03\x04........archive/data.pkl", Some(Content::TorchSave)),
            (b"PK\x03\x04........m/code/__torch__.py m/data.pkl", Some(Content::TorchScript)),
            (b"PK\x03\x04........features.npy", Some(Content::Npz)),
            (b"\x80\x02}q\x00.", Some(Content::Pickle)),
            (b"\x93NUMPY\x01\x00", Some(Content::Npy)),
            (b"{\"weight_map\": {}}", Some(Content::Json)),
            (b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ", None),
        ] {
            assert_eq!(Content::of(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
