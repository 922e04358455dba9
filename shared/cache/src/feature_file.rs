//! Features in a safetensors file, as other programs hand them over: what a head is asked about without a cache.

use crate::{
    CacheError,
    head_file::{finite, malformed, numbers},
};
use files::{content::Content, regular};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::path::Path;

/// Rows of features, in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureFile {
    /// Features D.
    pub dim: usize,
    /// `features` `[N, D]`, and `features_flipped` where the file has them; row-major, finite.
    pub views: Vec<Vec<f32>>,
    /// `sample_ids` `[N]`, or 0 … N − 1.
    pub ids: Vec<i64>,
}

impl FeatureFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`CacheError::File`]; [`CacheError::MalformedHead`] for other contents than `features` `[N, D]` and optionally
    /// `features_flipped` `[N, D]` and `sample_ids` `[N]` (i64).
    pub fn read(path: &Path) -> Result<Self, CacheError> {
        let bytes = regular::read(path).map_err(|source| CacheError::io("read", path, source))?;
        let expected = "a safetensors file with `features` [N, D]";
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| {
            let (got, hint) = match Content::of(&bytes) {
                Some(content) => (content.name().to_owned(), content.hint(path)),
                None => (error.to_string(), "the file is damaged: write it again".to_owned()),
            };
            malformed(path, expected, got, &hint)
        })?;
        let hint = "save a dict of tensors, in Python: `save_file({\"features\": features}, FILE)`";
        let features = tensors.tensor("features").map_err(|_| {
            malformed(path, expected, format!("the tensors {}", tensors.names().join(", ")), hint)
        })?;
        let [rows, dim] = features.shape() else {
            return Err(malformed(path, "`features` [N, D]", format!("{:?}", features.shape()), hint));
        };
        let (rows, dim) = (*rows, *dim);
        let mut views = Vec::new();
        for (name, tensor) in
            [("features", Some(features)), ("features_flipped", tensors.tensor("features_flipped").ok())]
        {
            let Some(tensor) = tensor else { continue };
            if tensor.shape() != [rows, dim] || dim == 0 {
                let expected = format!("`{name}` [{rows}, D], D the same in all");
                return Err(malformed(path, &expected, format!("{:?}", tensor.shape()), hint));
            }
            let numbers = numbers(path, &(name, tensor))?;
            finite(path, name, &numbers, dim)?;
            views.push(numbers);
        }
        let ids = match tensors.tensor("sample_ids") {
            Ok(ids) => sample_ids(path, &ids, rows)?,
            Err(_) => (0..).take(rows).collect(),
        };
        Ok(Self { dim, views, ids })
    }
}

fn sample_ids(path: &Path, ids: &TensorView<'_>, rows: usize) -> Result<Vec<i64>, CacheError> {
    if ids.dtype() != Dtype::I64 || ids.shape() != [rows] {
        let got = format!("{} {:?}", ids.dtype(), ids.shape());
        let hint = "save them as int64, one a row, or leave them out";
        return Err(malformed(path, &format!("`sample_ids` [{rows}] of int64"), got, hint));
    }
    let (numbers, _) = ids.data().as_chunks::<8>();
    Ok(numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tensors = [(&'static str, Dtype, Vec<usize>, Vec<u8>)];

    fn written(tensors: &Tensors) -> Result<FeatureFile, CacheError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        std::fs::write(file.path(), safetensors::serialize(views, None).unwrap()).unwrap();
        FeatureFile::read(file.path())
    }

    fn refused(tensors: &Tensors) -> String {
        written(tensors).unwrap_err().to_string().split_once("`: ").unwrap().1.to_owned()
    }

    fn floats(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn features_are_read_with_their_ids_and_refused_where_they_are_none() {
        let features = ("features", Dtype::F32, vec![2, 1], floats(&[1.0, 2.0]));
        let plain = written(std::slice::from_ref(&features)).unwrap();
        assert_eq!(plain, FeatureFile { dim: 1, views: vec![vec![1.0, 2.0]], ids: vec![0, 1] });
        let ids =
            ("sample_ids", Dtype::I64, vec![2], [7_i64, 5].iter().flat_map(|id| id.to_le_bytes()).collect());
        assert_eq!(written(&[features.clone(), ids]).unwrap().ids, [7, 5]);
        assert_eq!(
            refused(&[("x", Dtype::F32, vec![2, 1], floats(&[1.0, 2.0]))]),
            "expected a safetensors file with `features` [N, D], got the tensors x"
        );
        assert_eq!(
            refused(&[("features", Dtype::F32, vec![2], floats(&[1.0, 2.0]))]),
            "expected `features` [N, D], got [2]"
        );
        let flipped = ("features_flipped", Dtype::F32, vec![1, 1], floats(&[1.0]));
        assert!(refused(&[features.clone(), flipped]).starts_with("expected `features_flipped` [2, D]"));
        let ids = ("sample_ids", Dtype::F32, vec![2], floats(&[1.0, 2.0]));
        assert_eq!(refused(&[features, ids]), "expected `sample_ids` [2] of int64, got F32 [2]");
        let nan = ("features", Dtype::F32, vec![2, 1], floats(&[1.0, f32::NAN]));
        assert!(refused(&[nan]).contains("NaN in row 1"));
    }
}
