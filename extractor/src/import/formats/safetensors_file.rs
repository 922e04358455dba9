//! Named arrays of a safetensors file.

use crate::{
    error::ExtractError,
    import::matrix::{Array, Number},
};
use files::content::Content;
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
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
        let (got, hint) = match Content::of(bytes) {
            Some(content @ Content::Npy) => (
                content.name().to_owned(),
                "NumPy files go to `--train-features` and `--train-labels`, and so on".to_owned(),
            ),
            // Features, not weights: the converter is for the latter.
            Some(content @ (Content::TorchSave | Content::Pickle | Content::TorchScript)) => {
                (content.name().to_owned(), "save the tensors with `safetensors.torch.save_file`".to_owned())
            }
            Some(content) => (content.name().to_owned(), content.hint(path)),
            None => (
                error.to_string(),
                "the file is damaged, or none of `safetensors.torch.save_file`: save it again".to_owned(),
            ),
        };
        malformed("a safetensors file".to_owned(), got, &hint)
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
