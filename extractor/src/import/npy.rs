//! NumPy's `.npy` files, as far as features and labels need them: versions 1 to 3, C order, little endian.
//!
//! # Source
//! `numpy/lib/format.py`: magic, version, length of the header, a Python dictionary as text, the array's bytes.

use super::matrix::{Array, Number};
use crate::error::ExtractError;
use std::path::Path;

/// Reads the array of a file.
///
/// # Errors
/// [`ExtractError::Io`]; [`ExtractError::Malformed`] for a damaged file and for types or orders that are not read here.
pub(crate) fn read(path: &Path) -> Result<Array, ExtractError> {
    let mut bytes = shared::regular::read(path).map_err(ExtractError::io("read", path))?;
    let malformed = |expected: &str, got: String, hint: &str| ExtractError::Malformed {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got,
        hint: hint.to_owned(),
    };
    let (header, start) = split_header(&bytes).ok_or_else(|| {
        malformed("a NumPy file", "no whole `.npy` header".to_owned(), "write it with `numpy.save`")
    })?;
    let number = match value_of(header, "descr") {
        Some("'<f2'") => Number::F16,
        Some("'<f4'") => Number::F32,
        Some("'<f8'") => Number::F64,
        Some("'<i4'") => Number::I32,
        Some("'<i8'") => Number::I64,
        other => {
            let got = other.unwrap_or("no `descr`").chars().take(40).collect();
            return Err(malformed(
                "numbers of type <f2, <f4, <f8, <i4 or <i8",
                got,
                "convert it with `array.astype`",
            ));
        }
    };
    if value_of(header, "fortran_order") != Some("False") {
        let hint = "save `numpy.ascontiguousarray(array)`";
        return Err(malformed("rows stored one after the other (C order)", "Fortran order".to_owned(), hint));
    }
    let shape = value_of(header, "shape").and_then(parse_shape);
    let shape = shape.ok_or_else(|| malformed("a shape", header.trim().chars().take(120).collect(), ""))?;
    let size = shape.iter().try_fold(number.bytes(), |size, &length| size.checked_mul(length));
    let data = bytes.split_off(start);
    if size != Some(data.len()) {
        let expected = format!(
            "{} bytes for shape {shape:?}",
            size.map_or("too many".to_owned(), |size| size.to_string())
        );
        return Err(malformed(&expected, data.len().to_string(), "the file is incomplete: save it again"));
    }
    Ok(Array { number, shape, bytes: data })
}

/// The dictionary and where the array starts.
fn split_header(bytes: &[u8]) -> Option<(&str, usize)> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (length, from) = match rest {
        [1, _, a, b, ..] => (u32::from(u16::from_le_bytes([*a, *b])), 10),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]), 12),
        _ => return None,
    };
    let start = from + usize::try_from(length).ok()?;
    Some((std::str::from_utf8(bytes.get(from..start)?).ok()?, start))
}

/// The text of a value in `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn value_of<'header>(header: &'header str, key: &str) -> Option<&'header str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    let rest = rest.trim_start();
    let end = if rest.starts_with('(') { rest.find(')')? + 1 } else { rest.find([',', '}'])? };
    rest.get(..end).map(str::trim_end)
}

fn parse_shape(text: &str) -> Option<Vec<usize>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    inner.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), data].concat()
    }

    fn read_bytes(bytes: &[u8]) -> Result<Array, ExtractError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    /// `numpy.save(f, numpy.array([[1, 2, 3], [4, 5, 6.5]], "<f4"))`, NumPy 2.4: the file byte for byte.
    #[test]
    fn reads_what_numpy_writes() {
        let header = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
        let data: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.5].iter().flat_map(|x| x.to_le_bytes()).collect();
        let array = read_bytes(&npy(&header, &data)).unwrap();
        assert_eq!(
            (array.number, array.shape.as_slice(), array.bytes),
            (Number::F32, [2, 3].as_slice(), data)
        );
    }

    #[test]
    fn reads_vectors_and_version_two() {
        let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }\n";
        let length = u32::try_from(header.len()).unwrap().to_le_bytes();
        let bytes =
            [b"\x93NUMPY\x02\x00".as_slice(), &length, header.as_bytes(), &7_i64.to_le_bytes()].concat();
        let array = read_bytes(&bytes).unwrap();
        assert_eq!((array.number, array.shape.as_slice()), (Number::I64, [1].as_slice()));
    }

    #[test]
    fn rejects_everything_else() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
        for (header, data) in [
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", vec![0; 8]),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", vec![0; 8]),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", vec![0; 8]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", vec![0; 8]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", vec![0; 8]),
            ("{'descr': '<f4', 'fortran_order': False}", vec![0; 8]),
            ("", vec![]),
            (good, vec![0; 7]),
            (good, vec![0; 9]),
        ] {
            let result = read_bytes(&npy(header, &data));
            assert!(
                matches!(result, Err(ExtractError::Malformed { .. })),
                "{header} with {} bytes",
                data.len()
            );
        }
        let whole = npy(good, &[0; 8]);
        for length in 0..whole.len() {
            assert!(read_bytes(&whole[..length]).is_err(), "cut to {length} bytes");
        }
        assert!(read_bytes(&whole).is_ok());
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(
            descr in "'[<>|=]?[fiuO][248]?'",
            shape in r"\(?-?[0-9]{0,20},? ?[0-9]{0,20},?\)?",
            version in 0_u8..5,
            data in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
            let mut bytes = npy(&header, &data);
            bytes[6] = version;
            if let Ok(array) = read_bytes(&bytes) {
                let numbers: usize = array.shape.iter().product();
                prop_assert_eq!(numbers * array.number.bytes(), array.bytes.len());
            }
        }
    }
}
