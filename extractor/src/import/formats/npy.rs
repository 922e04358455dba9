//! NumPy's `.npy` files, as far as features and labels need them: versions 1 to 3, either byte order, rows or columns first.
//!
//! # Source
//! `numpy/lib/format.py`: magic, version, length of the header, a Python dictionary as text, the array's bytes.

use crate::{
    error::ExtractError,
    import::matrix::{Array, Number},
};
use files::content::Content;
use std::path::Path;

/// The array in the bytes of the file at a path.
///
/// # Errors
/// [`ExtractError::Malformed`] for a damaged file and for types that are not read here.
pub(in crate::import) fn array(path: &Path, mut bytes: Vec<u8>) -> Result<Array, ExtractError> {
    let malformed = |expected: &str, got: String, hint: &str| ExtractError::Malformed {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got,
        hint: hint.to_owned(),
    };
    let (header, start) = split_header(&bytes).ok_or_else(|| {
        let content = Content::of(&bytes).filter(|content| *content != Content::Npy);
        let got = content.map_or("no whole `.npy` header", Content::name).to_owned();
        malformed("a NumPy file", got, "write one array to one file with `numpy.save`")
    })?;
    let descr = value_of(header, "descr").unwrap_or("no `descr`");
    let (number, order) = number(descr).ok_or_else(|| {
        let got = descr.chars().take(40).collect();
        malformed("an array of floating-point or whole numbers", got, advice(descr))
    })?;
    let shape = value_of(header, "shape").and_then(parse_shape);
    let shape = shape.ok_or_else(|| malformed("a shape", header.trim().chars().take(120).collect(), ""))?;
    let columns_first = match value_of(header, "fortran_order") {
        Some("False") => false,
        Some("True") => true,
        other => {
            let got = other.unwrap_or("none").chars().take(40).collect();
            return Err(malformed("`fortran_order` True or False", got, "write it with `numpy.save`"));
        }
    };
    let size = shape.iter().try_fold(number.bytes(), |size, &length| size.checked_mul(length));
    let mut data = bytes.split_off(start);
    if size != Some(data.len()) {
        let expected = format!(
            "{} bytes for shape {shape:?}",
            size.map_or("too many".to_owned(), |size| size.to_string())
        );
        return Err(malformed(&expected, data.len().to_string(), "the file is incomplete: save it again"));
    }
    if order == Order::Big {
        data.chunks_exact_mut(number.bytes()).for_each(<[u8]>::reverse);
    }
    if columns_first {
        // Dimensions of one element have no order.
        data = match *shape.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>() {
            [] | [_] => data,
            [rows, columns] => row_major(&data, rows, columns, number.bytes()),
            _ => {
                let got = format!("Fortran order of shape {shape:?}");
                let hint = "save `numpy.ascontiguousarray(array)`";
                return Err(malformed("rows stored one after the other (C order)", got, hint));
            }
        };
    }
    Ok(Array { number, shape, bytes: data })
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

/// The type of `'<f4'`, `'|u1'` …
fn number(descr: &str) -> Option<(Number, Order)> {
    let text = descr.strip_prefix('\'')?.strip_suffix('\'')?;
    let (order, kind) = text.split_at_checked(1)?;
    let number = match kind {
        "f2" => Number::F16,
        "f4" => Number::F32,
        "f8" => Number::F64,
        "i1" => Number::I8,
        "i2" => Number::I16,
        "i4" => Number::I32,
        "i8" => Number::I64,
        "u1" => Number::U8,
        "u2" => Number::U16,
        "u4" => Number::U32,
        "u8" => Number::U64,
        "b1" => Number::Bool,
        _ => return None,
    };
    match order {
        "<" => Some((number, Order::Little)),
        ">" => Some((number, Order::Big)),
        "|" if number.bytes() == 1 => Some((number, Order::Little)),
        _ => None,
    }
}

/// What to do about a type that holds no numbers that are read here.
fn advice(descr: &str) -> &'static str {
    match descr.trim_start_matches('\'').trim_start_matches(['<', '>', '|', '=']).chars().next() {
        Some('U' | 'S') => "number the classes: `numpy.unique(labels, return_inverse=True)[1]`",
        Some('O') => {
            "an object array holds pickled Python: make one array of numbers, `numpy.stack(list(array))`"
        }
        _ => "convert it with `array.astype`",
    }
}

/// The rows of a matrix that is stored column after column.
fn row_major(data: &[u8], rows: usize, columns: usize, width: usize) -> Vec<u8> {
    /// Rows that are written together, so that what is read of a column fills cache lines.
    const TOGETHER: usize = 64;
    let mut out = vec![0; data.len()];
    for (block, out) in out.chunks_mut((TOGETHER * columns * width).max(1)).enumerate() {
        for column in 0..columns {
            let start = (column * rows + block * TOGETHER) * width;
            let height = out.len() / (columns * width);
            let stored = data.get(start..start + height * width).unwrap_or_default();
            let places = out.chunks_exact_mut(width).skip(column).step_by(columns);
            for (number, place) in stored.chunks_exact(width).zip(places) {
                place.copy_from_slice(number);
            }
        }
    }
    out
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
    // Python 2 wrote `3L`.
    let sizes =
        inner.split(',').map(|part| part.trim().trim_end_matches('L')).filter(|part| !part.is_empty());
    sizes.map(|part| part.parse().ok()).collect()
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
        array(Path::new("a.npy"), bytes.to_vec())
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
            ("{'descr': '=f4', 'fortran_order': False, 'shape': (2,), }", vec![0; 8]),
            ("{'descr': '<f16', 'fortran_order': False, 'shape': (2,), }", vec![0; 32]),
            ("{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", vec![0; 16]),
            ("{'descr': '<U2', 'fortran_order': False, 'shape': (1,), }", vec![0; 8]),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", vec![0; 8]),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", vec![0; 8]),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2, 2), }", vec![0; 32]),
            ("{'descr': '<f4', 'fortran_order': 1, 'shape': (2,), }", vec![0; 8]),
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

    /// `numpy.asfortranarray` of a matrix, and `astype(">f4")`: the same numbers as rows, little endian.
    #[test]
    fn columns_first_and_the_other_byte_order_give_the_same_rows() {
        for (rows, columns) in [(2, 3), (3, 2), (130, 5), (1, 4), (4, 1), (0, 3), (64, 1)] {
            let number =
                |row: usize, column: usize| f32::from(u16::try_from(row * columns + column).unwrap());
            let bytes = |order: &[(usize, usize)], to: fn(f32) -> [u8; 4]| -> Vec<u8> {
                order.iter().flat_map(|&(row, column)| to(number(row, column))).collect()
            };
            let by_rows: Vec<_> =
                (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).collect();
            let by_columns: Vec<_> =
                (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column))).collect();
            let expected = bytes(&by_rows, f32::to_le_bytes);
            for (descr, fortran, order, to) in [
                ("<f4", "True", &by_columns, f32::to_le_bytes as fn(f32) -> [u8; 4]),
                (">f4", "False", &by_rows, f32::to_be_bytes),
                (">f4", "True", &by_columns, f32::to_be_bytes),
            ] {
                let header = format!(
                    "{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({rows}L, {columns}L, 1), }}"
                );
                let array = read_bytes(&npy(&header, &bytes(order, to))).unwrap();
                assert_eq!((array.number, array.shape.as_slice()), (Number::F32, &[rows, columns, 1][..]));
                assert_eq!(array.bytes, expected, "{descr} {fortran} {rows} {columns}");
            }
        }
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
