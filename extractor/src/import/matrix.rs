//! A file of numbers, as read: bytes, shape and number format.

use crate::error::ExtractError;
use half::{bf16, f16};
use shared::{ClassId, Dtype};
use std::{
    ops::Range,
    path::{Path, PathBuf},
};

/// How numbers are stored in an imported file, always little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    F16,
    Bf16,
    F32,
    F64,
    I32,
    I64,
}

impl Number {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
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
    rows: usize,
    columns: usize,
    number: Number,
    bytes: Vec<u8>,
}

impl Matrix {
    /// Checks that an array is a matrix of real numbers with at least one column.
    pub(crate) fn new(path: &Path, name: &str, array: Array) -> Result<Self, ExtractError> {
        let real = !matches!(array.number, Number::I32 | Number::I64);
        match array.shape.as_slice() {
            &[rows, columns] if real && columns > 0 => {
                Ok(Self { path: path.to_owned(), rows, columns, number: array.number, bytes: array.bytes })
            }
            shape => Err(ExtractError::Malformed {
                path: path.to_owned(),
                expected: format!("{name} [N, D] of f16, bf16, f32 or f64"),
                got: format!("{:?} {shape:?}", array.number).to_lowercase(),
                hint: "one row a sample, one column a feature".to_owned(),
            }),
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
            Number::I32 | Number::I64 => Vec::new(),
        }
    }
}

/// Whole numbers `[N]`: labels or sample ids.
pub(crate) fn integers(path: &Path, name: &str, array: &Array) -> Result<Vec<i64>, ExtractError> {
    match (array.shape.as_slice(), array.number) {
        ([_], Number::I64) => {
            Ok(array.bytes.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
        }
        ([_], Number::I32) => Ok(array
            .bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| i64::from(i32::from_le_bytes(*bytes)))
            .collect()),
        (shape, number) => Err(ExtractError::Malformed {
            path: path.to_owned(),
            expected: format!("{name} [N] of i64 or i32"),
            got: format!("{number:?} {shape:?}").to_lowercase(),
            hint: "convert them, in NumPy: `labels.astype(numpy.int64).reshape(-1)`".to_owned(),
        }),
    }
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
