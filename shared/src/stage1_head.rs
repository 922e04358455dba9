//! The classifier that was trained together with the backbone.

use crate::{atomic, error::CacheError, manifest::HeadKind, mmap::FileMap};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::HashMap, path::Path};

/// File name in a cache.
pub(crate) const HEAD_FILE: &str = "stage1_head.safetensors";

/// A linear or cosine classifier, as cached.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage1Head {
    /// Classes C.
    pub classes: usize,
    /// Features D.
    pub dim: usize,
    /// `[C, D]`, row-major.
    pub weight: Vec<f32>,
    /// `[C]`; zeros where the head has none.
    pub bias: Vec<f32>,
    /// How it makes logits.
    pub kind: HeadKind,
}

impl Stage1Head {
    /// Writes the head as safetensors with `weight`, `bias` and the metadata key `kind`.
    ///
    /// # Errors
    /// [`CacheError::WrongTensor`] where sizes disagree, [`CacheError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), CacheError> {
        atomic::write_atomic(path, &self.encode(path)?)
    }

    /// The bytes of the file; equal heads have equal ones. `path` is for messages.
    pub(crate) fn encode(&self, path: &Path) -> Result<Vec<u8>, CacheError> {
        let shape = |tensor: &str, error: &safetensors::SafeTensorError| CacheError::WrongTensor {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            expected: format!("{} classes of {} features", self.classes, self.dim),
            got: error.to_string(),
        };
        let weight =
            TensorView::new(Dtype::F32, vec![self.classes, self.dim], bytemuck::cast_slice(&self.weight))
                .map_err(|error| shape("weight", &error))?;
        let bias = TensorView::new(Dtype::F32, vec![self.classes], bytemuck::cast_slice(&self.bias))
            .map_err(|error| shape("bias", &error))?;
        let kind = serde_json::to_value(self.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
        // One key only: the crate writes several in random order, and equal heads must be equal bytes.
        let metadata = HashMap::from([("kind".to_owned(), kind.unwrap_or_default())]);
        safetensors::serialize([("weight", weight), ("bias", bias)], Some(metadata))
            .map_err(|error| shape("weight", &error))
    }

    /// Reads a head of f16, bf16 or f32; `bias` and `kind` may be absent (zeros, linear).
    ///
    /// # Errors
    /// [`CacheError::Io`], [`CacheError::InvalidHeader`], [`CacheError::WrongTensor`], and [`CacheError::NonFinite`] with
    /// the class as row.
    pub fn read(path: &Path) -> Result<Self, CacheError> {
        let map = FileMap::open(path)?;
        let invalid = |error: safetensors::SafeTensorError| CacheError::InvalidHeader {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let wrong = |tensor: &str, expected: String, got: String| CacheError::WrongTensor {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            expected,
            got,
        };
        let (_, metadata) = SafeTensors::read_metadata(map.bytes()).map_err(invalid)?;
        let kind = match metadata.metadata().as_ref().and_then(|pairs| pairs.get("kind")) {
            None => HeadKind::Linear,
            Some(text) => serde_json::from_value(text.clone().into())
                .map_err(|_| wrong("kind", "linear or cosine".to_owned(), format!("`{text}`")))?,
        };
        let tensors = SafeTensors::deserialize(map.bytes()).map_err(invalid)?;
        let weight = tensors
            .tensor("weight")
            .map_err(|_| wrong("weight", "F16, BF16 or F32 [C, D]".to_owned(), "absent".to_owned()))?;
        let &[classes, dim] = weight.shape() else {
            return Err(wrong("weight", "[C, D]".to_owned(), format!("{:?}", weight.shape())));
        };
        let bias = match tensors.tensor("bias") {
            Err(_) => vec![0.0; classes],
            Ok(bias) if bias.shape() == [classes] => numbers(&bias).ok_or_else(|| {
                wrong("bias", format!("F16, BF16 or F32 [{classes}]"), bias.dtype().to_string())
            })?,
            Ok(bias) => return Err(wrong("bias", format!("[{classes}]"), format!("{:?}", bias.shape()))),
        };
        let weight = numbers(&weight).ok_or_else(|| {
            wrong("weight", format!("F16, BF16 or F32 [{classes}, {dim}]"), weight.dtype().to_string())
        })?;
        if let Some(row) = weight.iter().position(|number| !number.is_finite()) {
            return Err(CacheError::NonFinite { path: path.to_owned(), row: row / dim.max(1) });
        }
        if let Some(row) = bias.iter().position(|number| !number.is_finite()) {
            return Err(CacheError::NonFinite { path: path.to_owned(), row });
        }
        Ok(Self { classes, dim, weight, bias, kind })
    }
}

/// The numbers of a floating-point tensor of up to 32 bits; each is exact in f32.
fn numbers(tensor: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => Some(data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        Dtype::F16 => {
            Some(data.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect())
        }
        Dtype::BF16 => {
            Some(data.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_equal_heads_are_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let head = Stage1Head {
            classes: 2,
            dim: 3,
            weight: vec![1.0, -2.0, 0.5, 0.0, 4.0, 1e-7],
            bias: vec![0.25, -1.0],
            kind: HeadKind::Cosine,
        };
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        head.write(&one).unwrap();
        head.write(&two).unwrap();
        assert_eq!(Stage1Head::read(&one).unwrap(), head);
        assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
    }

    #[test]
    fn half_precision_widens_and_other_numbers_are_refused() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let numbers = [1.0_f32, -2.0, 0.5, 3.0]; // exact in every format
        let read = |dtype: Dtype, bytes: Vec<u8>| {
            let view = TensorView::new(dtype, vec![2, 2], &bytes).unwrap();
            std::fs::write(path.path(), safetensors::serialize([("weight", view)], None).unwrap()).unwrap();
            Stage1Head::read(path.path())
        };
        let half = read(Dtype::F16, numbers.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect());
        let brain =
            read(Dtype::BF16, numbers.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect());
        for head in [half.unwrap(), brain.unwrap()] {
            assert_eq!(head.weight, numbers);
            assert_eq!((head.bias, head.kind), (vec![0.0, 0.0], HeadKind::Linear));
        }
        let whole = read(Dtype::I32, vec![0; 16]).unwrap_err();
        assert!(whole.to_string().contains("F16, BF16 or F32 [2, 2]"), "{whole}");
    }
}
