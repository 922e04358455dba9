//! A file of numbers, as read: bytes, shape and number format.

use crate::error::ExtractError;
use cache::{ClassId, Dtype};
use half::{bf16, f16};
use rayon::prelude::*;
use std::{
    cmp::Ordering,
    ops::Range,
    path::{Path, PathBuf},
};

/// Numbers converted at a time.
pub(super) const NUMBERS_AT_ONCE: usize = 1 << 20;

/// How numbers are stored in an imported file, always little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
}

impl Number {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    fn is_real(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    fn is_whole(self) -> bool {
        !self.is_real() && self != Self::Bool
    }

    /// A whole number from its bytes; `None` beyond i64.
    fn whole(self, bytes: &[u8]) -> Option<i64> {
        let signed = matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64);
        let negative = signed && bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
        if signed { Some(i64::from_le_bytes(wide)) } else { i64::try_from(u64::from_le_bytes(wide)).ok() }
    }
}

/// One array of a file.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(crate) number: Number,
    pub(crate) shape: Vec<usize>,
    /// Row-major, little endian; as many bytes as shape and format say.
    pub(crate) bytes: Vec<u8>,
}

/// Features `[N, D]` in the number format of their file.
#[derive(Clone, Debug)]
pub struct Matrix {
    path: PathBuf,
    name: &'static str,
    rows: usize,
    columns: usize,
    number: Number,
    bytes: Vec<u8>,
}

impl Matrix {
    /// Checks that an array is a matrix of real numbers with at least one column; `[N, D, 1, 1]` of a pooled map is one.
    pub(crate) fn new(path: &Path, name: &'static str, array: Array) -> Result<Self, ExtractError> {
        let refuse = |hint: &str| {
            Err(ExtractError::Malformed {
                path: path.to_owned(),
                expected: format!("`{name}` [N, D] of f16, bf16, f32 or f64"),
                got: format!("{:?} {:?}", array.number, array.shape).to_lowercase(),
                hint: hint.to_owned(),
            })
        };
        if !array.number.is_real() {
            return refuse("features are real numbers, in NumPy: `features.astype(numpy.float32)`");
        }
        match array.shape.as_slice() {
            &[rows, columns, ref ones @ ..] if columns > 0 && ones.iter().all(|&size| size == 1) => {
                Ok(Self {
                    path: path.to_owned(),
                    name,
                    rows,
                    columns,
                    number: array.number,
                    bytes: array.bytes,
                })
            }
            [_, _, _, ..] => refuse("pool maps and flatten them first, in NumPy: `features.mean((2, 3))`"),
            _ => refuse("one row a sample, one column a feature"),
        }
    }

    /// Samples N.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Features D.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The cache format that loses nothing, or f32 for f64.
    pub fn nearest_dtype(&self) -> Dtype {
        match self.number {
            Number::F16 => Dtype::F16,
            Number::Bf16 => Dtype::Bf16,
            _ => Dtype::F32,
        }
    }

    /// That every number is finite in the format of the cache.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] with the first row and column where one is not.
    pub fn check_finite(&self, dtype: Dtype) -> Result<(), ExtractError> {
        // From here on numbers round to infinity.
        let limit = match dtype {
            Dtype::F16 => 65_520.0,
            Dtype::Bf16 => f32::from_bits(0x7f7f_8000),
            Dtype::F32 => f32::INFINITY,
        };
        let step = (NUMBERS_AT_ONCE / self.columns).max(1);
        let starts: Vec<usize> = (0..self.rows).step_by(step).collect();
        let found = starts.into_par_iter().find_map_first(|start| {
            let numbers = self.read_rows(start..self.rows.min(start + step));
            // A NaN is below no limit.
            let is_wrong = |number: &f32| !matches!(number.abs().partial_cmp(&limit), Some(Ordering::Less));
            let at = numbers.iter().position(is_wrong)?;
            Some((start + at / self.columns, at % self.columns, numbers.get(at).copied()?))
        });
        let Some((row, column, number)) = found else { return Ok(()) };
        let hint = if number.is_finite() {
            "larger numbers fit into `--dtype bf16` or `--dtype f32`"
        } else {
            "mend or leave out this sample in the file, and give the same command again"
        };
        Err(ExtractError::Malformed {
            path: self.path.clone(),
            expected: format!("numbers that are finite in {dtype}"),
            got: format!("{number} in row {row}, column {column} of `{}`", self.name),
            hint: hint.to_owned(),
        })
    }

    /// The matrix of these rows, in this order; rows outside are left out.
    pub(super) fn take(&self, rows: &[u32]) -> Self {
        let row_bytes = self.columns * self.number.bytes();
        let row = |&row: &u32| self.bytes.get(row as usize * row_bytes..(row as usize + 1) * row_bytes);
        let taken: Vec<&[u8]> = rows.iter().filter_map(row).collect();
        Self { rows: taken.len(), bytes: taken.concat(), path: self.path.clone(), ..*self }
    }

    /// Rows as f32, row-major; rows outside are left out.
    pub fn read_rows(&self, rows: Range<usize>) -> Vec<f32> {
        let row_bytes = self.columns * self.number.bytes();
        let stored = self.bytes.get(rows.start * row_bytes..rows.end * row_bytes).unwrap_or_default();
        let pairs = || stored.as_chunks::<2>().0.iter().copied();
        match self.number {
            Number::F16 => pairs().map(|bytes| f16::from_le_bytes(bytes).to_f32()).collect(),
            Number::Bf16 => pairs().map(|bytes| bf16::from_le_bytes(bytes).to_f32()).collect(),
            Number::F32 => stored.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "features are single precision at most in a cache"
            )]
            Number::F64 => {
                stored.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect()
            }
            // `Matrix::new` takes real numbers only.
            _ => Vec::new(),
        }
    }
}

/// Whole numbers `[N]`, also as a column or row: labels or sample ids.
pub(crate) fn integers(path: &Path, name: &str, array: &Array) -> Result<Vec<i64>, ExtractError> {
    let malformed = |expected: String, got: String, hint: &str| ExtractError::Malformed {
        path: path.to_owned(),
        expected,
        got,
        hint: hint.to_owned(),
    };
    let long = array.shape.iter().filter(|&&size| size != 1).count();
    if array.shape.is_empty() || long > 1 || !array.number.is_whole() {
        let hint = if long > 1 {
            "one number a row; of one-hot rows, in NumPy: `labels.argmax(1)`"
        } else {
            "convert them, in NumPy: `labels.astype(numpy.int64).reshape(-1)`"
        };
        let got = format!("{:?} {:?}", array.number, array.shape).to_lowercase();
        return Err(malformed(format!("{name} [N] of whole numbers"), got, hint));
    }
    let whole = |(row, bytes): (usize, &[u8])| {
        array.number.whole(bytes).ok_or_else(|| {
            let expected = format!("{name} below 2^63");
            malformed(expected, format!("more in row {row}"), "number the classes from 0")
        })
    };
    array.bytes.chunks_exact(array.number.bytes()).enumerate().map(whole).collect()
}

/// Labels `[N]`, none below zero.
pub(crate) fn labels(path: &Path, array: &Array) -> Result<Vec<ClassId>, ExtractError> {
    let numbers = integers(path, "labels", array)?;
    let label = |(row, number): (usize, i64)| {
        u32::try_from(number).map(ClassId).map_err(|_| ExtractError::Malformed {
            path: path.to_owned(),
            expected: "labels counted from 0".to_owned(),
            got: format!("{number} in row {row}"),
            hint: "leave out samples without a class".to_owned(),
        })
    };
    numbers.into_iter().enumerate().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(number: Number, shape: &[usize], bytes: &[u8]) -> Array {
        Array { number, shape: shape.to_vec(), bytes: bytes.to_vec() }
    }

    #[test]
    fn whole_numbers_of_every_width_keep_their_values() {
        let path = Path::new("y");
        let read = |number: Number, bytes: &[u8]| {
            let rows = bytes.len() / number.bytes();
            integers(path, "labels", &array(number, &[rows, 1], bytes))
        };
        assert_eq!(read(Number::U8, &[0, 7, 255]).unwrap(), [0, 7, 255]);
        assert_eq!(read(Number::I8, &[0, 7, 255]).unwrap(), [0, 7, -1]);
        assert_eq!(read(Number::I16, &(-2_i16).to_le_bytes()).unwrap(), [-2]);
        assert_eq!(read(Number::U16, &65_535_u16.to_le_bytes()).unwrap(), [65_535]);
        assert_eq!(read(Number::I32, &(-3_i32).to_le_bytes()).unwrap(), [-3]);
        assert_eq!(read(Number::U32, &u32::MAX.to_le_bytes()).unwrap(), [i64::from(u32::MAX)]);
        assert_eq!(read(Number::I64, &i64::MIN.to_le_bytes()).unwrap(), [i64::MIN]);
        assert_eq!(read(Number::U64, &5_u64.to_le_bytes()).unwrap(), [5]);
        assert!(read(Number::U64, &u64::MAX.to_le_bytes()).is_err());
        for number in [Number::Bool, Number::F32] {
            assert!(read(number, &[0; 8]).is_err(), "{number:?}");
        }
        let one_hot = integers(path, "labels", &array(Number::U8, &[2, 2], &[1, 0, 0, 1])).unwrap_err();
        assert_eq!(one_hot.to_string(), "`y`: expected labels [N] of whole numbers, got u8 [2, 2]");
    }

    #[test]
    fn a_pooled_map_is_a_matrix_and_a_map_is_none() {
        let new = |shape: &[usize]| {
            let bytes = vec![0; 4 * shape.iter().product::<usize>()];
            Matrix::new(Path::new("x"), "features", array(Number::F32, shape, &bytes))
        };
        for shape in [&[2, 3][..], &[2, 3, 1, 1], &[2, 3, 1]] {
            let matrix = new(shape).unwrap();
            assert_eq!((matrix.rows(), matrix.columns()), (2, 3));
        }
        for shape in [&[6][..], &[2, 3, 2, 2], &[2, 0], &[]] {
            assert!(new(shape).is_err(), "{shape:?}");
        }
    }

    /// Halfway between the largest f16, 65504, and 65536 everything rounds to infinity; bf16 likewise at 2^128.
    #[test]
    fn numbers_that_round_to_infinity_are_named() {
        let check = |number: f32, dtype| {
            let bytes: Vec<u8> = [0.0, 1.0, 2.0, number].iter().flat_map(|x| x.to_le_bytes()).collect();
            let matrix =
                Matrix::new(Path::new("x"), "features", array(Number::F32, &[2, 2], &bytes)).unwrap();
            matrix.check_finite(dtype)
        };
        for (number, dtype) in
            [(65_519.996, Dtype::F16), (f32::from_bits(0x7f7f_7fff), Dtype::Bf16), (f32::MAX, Dtype::F32)]
        {
            assert!(check(number, dtype).is_ok() && check(-number, dtype).is_ok(), "{number} {dtype}");
            let stored = match dtype {
                Dtype::F16 => f16::from_f32(number).is_finite(),
                Dtype::Bf16 => bf16::from_f32(number).is_finite(),
                Dtype::F32 => true,
            };
            assert!(stored, "{number} {dtype}");
        }
        for (number, dtype) in [
            (65_520.0, Dtype::F16),
            (f32::from_bits(0x7f7f_8000), Dtype::Bf16),
            (f32::NAN, Dtype::F32),
            (f32::NEG_INFINITY, Dtype::F16),
        ] {
            let message = check(number, dtype).unwrap_err().to_string();
            assert!(message.contains(&format!("{number} in row 1, column 1 of `features`")), "{message}");
        }
        assert!(
            !f16::from_f32(65_520.0).is_finite() && !bf16::from_f32(f32::from_bits(0x7f7f_8000)).is_finite()
        );
    }
}
