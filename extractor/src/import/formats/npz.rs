//! NumPy's `.npz` archives: a `.npy` file for each array, as it is (`numpy.savez`) or deflated (`numpy.savez_compressed`).
//!
//! # Source
//! `numpy/lib/_npyio_impl.py`, `_savez`.

use super::{Format, Found, npy};
use crate::{error::ExtractError, zip};
use std::path::Path;

/// A zip archive whose first file is an array.
pub(super) const NPZ: Format = Format {
    name: "a NumPy archive (npz)",
    arrays: "arrays",
    naming: "name the arrays: `numpy.savez(FILE, features=x, labels=y)`",
    begins: |bytes| zip::first_name(bytes).is_some_and(|name| name.ends_with(b".npy")),
    array,
};

fn array(path: &Path, bytes: &[u8], name: &str) -> Found {
    let damaged = |reason: String| ExtractError::Malformed {
        path: path.to_owned(),
        expected: "a whole NumPy archive (npz)".to_owned(),
        got: format!("one where {reason}"),
        hint: "save the arrays again with `numpy.savez` or `numpy.savez_compressed`".to_owned(),
    };
    let entries = zip::entries(bytes).ok_or_else(|| damaged("the list of files is damaged".to_owned()))?;
    let file = format!("{name}.npy");
    let mut found = entries.iter().filter(|entry| entry.name == file);
    let Some(entry) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(damaged(format!("several files are called `{file}`")));
    }
    let content = entry.content(bytes).map_err(damaged)?;
    npy::array(&path.join(file), content.into_owned()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fixtures/imports/record.py`.
    const STORED: &[u8] = include_bytes!("../../../../fixtures/imports/stored.npz");
    const DEFLATED: &[u8] = include_bytes!("../../../../fixtures/imports/deflated.npz");

    fn read(bytes: &[u8], name: &str) -> Found {
        assert!((NPZ.begins)(bytes));
        array(Path::new("x.npz"), bytes, name)
    }

    fn message(bytes: &[u8], name: &str) -> String {
        read(bytes, name).unwrap_err().to_string()
    }

    /// Where the central directory's entry of a file starts.
    fn entry(bytes: &[u8], name: &str) -> usize {
        bytes.windows(name.len()).rposition(|window| window == name.as_bytes()).unwrap() - 46
    }

    #[test]
    fn arrays_are_the_same_stored_or_deflated() {
        for name in ["features", "labels", "features_flipped", "sample_ids"] {
            let [stored, deflated] = [STORED, DEFLATED].map(|bytes| read(bytes, name).unwrap().unwrap());
            assert_eq!(stored.shape, deflated.shape, "{name}");
        }
        let [stored, deflated] = [STORED, DEFLATED].map(|bytes| read(bytes, "features").unwrap().unwrap());
        assert_eq!((stored.number, stored.bytes), (deflated.number, deflated.bytes));
        assert!(read(STORED, "feature").unwrap().is_none());
    }

    #[test]
    fn an_archive_that_is_cut_anywhere_is_refused() {
        for bytes in [STORED, DEFLATED] {
            for length in 0..bytes.len() {
                assert!(array(Path::new("x"), &bytes[..length], "labels").is_err(), "{length} bytes");
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_an_array_is_found() {
        for bytes in [STORED, DEFLATED] {
            let entries = zip::entries(bytes).unwrap();
            let labels = entries.iter().find(|entry| entry.name == "labels.npy").unwrap();
            let mut damaged = bytes.to_vec();
            damaged[labels.data(bytes).unwrap().start + 20] ^= 1;
            assert!(message(&damaged, "labels").contains("`labels.npy`"));
            assert!(read(&damaged, "features").is_ok());
        }
    }

    #[test]
    fn what_numpy_does_not_write_is_refused_by_name() {
        let changed = |bytes: &[u8], at: usize, new: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = entry(&bytes, "labels.npy") + at;
            bytes[at..at + new.len()].copy_from_slice(new);
            message(&bytes, "labels")
        };
        insta::assert_snapshot!(changed(STORED, 8, &[1]), @"`x.npz`: expected a whole NumPy archive (npz), got one where `labels.npy` is encrypted");
        insta::assert_snapshot!(changed(STORED, 10, &[12]), @"`x.npz`: expected a whole NumPy archive (npz), got one where `labels.npy` is packed by method 12, not by deflate");
        insta::assert_snapshot!(changed(STORED, 16, &[0; 4]), @"`x.npz`: expected a whole NumPy archive (npz), got one where `labels.npy` has checksum 0b5374d6, expected 00000000");
        insta::assert_snapshot!(changed(STORED, 24, &[0xfe; 4]), @"`x.npz`: expected a whole NumPy archive (npz), got one where `labels.npy` declares 4278124286 bytes and has 208");
        // A bomb: more than deflate can hold is not unpacked, and what is declared is not exceeded.
        insta::assert_snapshot!(changed(DEFLATED, 24, &[0xfe; 4]), @"`x.npz`: expected a whole NumPy archive (npz), got one where `labels.npy` declares 4278124286 bytes and has 74");
        insta::assert_snapshot!(changed(DEFLATED, 24, &[9, 0, 0, 0]), @"`x.npz`: expected a whole NumPy archive (npz), got one where `labels.npy` is damaged");
        insta::assert_snapshot!(changed(STORED, 42, &[0xfe; 4]), @"`x.npz`: expected a whole NumPy archive (npz), got one where `labels.npy` is damaged");
    }

    #[test]
    fn two_arrays_of_one_name_are_refused() {
        let (at, end) = (entry(STORED, "labels.npy"), STORED.len() - 22);
        let twice = &STORED[at..at + 46 + "labels.npy".len()];
        let mut bytes = [&STORED[..end], twice, &STORED[end..]].concat();
        let end = end + twice.len();
        // The end of the directory tells how many files there are, and how long their list is.
        for (at, more) in [(end + 10, 1), (end + 12, u16::try_from(twice.len()).unwrap())] {
            let number = u16::from_le_bytes([bytes[at], bytes[at + 1]]) + more;
            bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
        }
        insta::assert_snapshot!(message(&bytes, "labels"), @"`x.npz`: expected a whole NumPy archive (npz), got one where several files are called `labels.npy`");
        assert!(read(&bytes, "features").is_ok());
    }

    #[test]
    fn an_array_of_objects_is_refused_with_the_file_in_the_archive() {
        let mut bytes = STORED.to_vec();
        let entries = zip::entries(STORED).unwrap();
        let data = entries.iter().find(|entry| entry.name == "labels.npy").unwrap().data(STORED).unwrap();
        let at = STORED[data.clone()].windows(5).position(|window| window == b"'<i8'").unwrap() + data.start;
        bytes[at..at + 5].copy_from_slice(b"'|O' ");
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[data]);
        let at = entry(STORED, "labels.npy") + 16;
        bytes[at..at + 4].copy_from_slice(&crc.sum().to_le_bytes());
        insta::assert_snapshot!(message(&bytes, "labels"), @"`x.npz/labels.npy`: expected an array of floating-point or whole numbers, got '|O'");
    }
}
