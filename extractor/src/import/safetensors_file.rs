//! Named arrays of a safetensors file.

use super::matrix::{Array, Number};
use crate::error::ExtractError;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// Copies the named array out of the bytes of a file; `None` where there is no such tensor.
///
/// # Errors
/// [`ExtractError::Malformed`] for bytes that are no safetensors file and for number formats that are not read here.
pub(crate) fn array(path: &Path, bytes: &[u8], name: &str) -> Result<Option<Array>, ExtractError> {
    let malformed = |expected: String, got: String, hint: &str| ExtractError::Malformed {
        path: path.to_owned(),
        expected,
        got,
        hint: hint.to_owned(),
    };
    let hint = "NumPy files go to `--train-features` and `--train-labels`";
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|error| malformed("a safetensors file".to_owned(), error.to_string(), hint))?;
    let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
    let number = match tensor.dtype() {
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::Bf16,
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        Dtype::I32 => Number::I32,
        Dtype::I64 => Number::I64,
        other => {
            let expected = format!("`{name}` of f16, bf16, f32, f64, i32 or i64");
            return Err(malformed(expected, other.to_string().to_lowercase(), "convert it before saving"));
        }
    };
    Ok(Some(Array { number, shape: tensor.shape().to_vec(), bytes: tensor.data().to_vec() }))
}
