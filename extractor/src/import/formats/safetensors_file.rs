//! Safetensors files.

use super::{Format, Found};
use crate::{
    error::ExtractError,
    import::matrix::{Array, Number},
};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// A length of eight bytes, then a header of JSON.
pub(super) const SAFETENSORS: Format = Format {
    name: "a safetensors file",
    arrays: "tensors",
    naming: "rename the tensors before saving",
    begins: |bytes| bytes.get(8..).is_some_and(|header| header.trim_ascii_start().starts_with(b"{")),
    array,
};

fn array(path: &Path, bytes: &[u8], name: &str) -> Found {
    let malformed = |expected: String, got: String, hint: &str| ExtractError::Malformed {
        path: path.to_owned(),
        expected,
        got,
        hint: hint.to_owned(),
    };
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
        let hint = "the file is damaged: save it again";
        malformed("a safetensors file".to_owned(), error.to_string(), hint)
    })?;
    let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
    let number = match tensor.dtype() {
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::Bf16,
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        Dtype::I8 => Number::I8,
        Dtype::I16 => Number::I16,
        Dtype::I32 => Number::I32,
        Dtype::I64 => Number::I64,
        Dtype::U8 => Number::U8,
        Dtype::U16 => Number::U16,
        Dtype::U32 => Number::U32,
        Dtype::U64 => Number::U64,
        Dtype::BOOL => Number::Bool,
        other => {
            let expected = format!("`{name}` of floating-point numbers from 16 bits on, or of whole numbers");
            return Err(malformed(expected, other.to_string().to_lowercase(), "convert it before saving"));
        }
    };
    Ok(Some(Array { number, shape: tensor.shape().to_vec(), bytes: tensor.data().to_vec() }))
}
