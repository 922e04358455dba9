//! The classifier that was trained together with the backbone.

use crate::{
    error::CacheError,
    head_file::{HeadFile, HeadWeights},
    manifest::HeadKind,
};
use files::atomic;
use safetensors::{Dtype, tensor::TensorView};
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
    /// [`CacheError::WrongTensor`] where sizes disagree, [`CacheError::File`].
    pub fn write(&self, path: &Path) -> Result<(), CacheError> {
        Ok(atomic::write_atomic(path, &self.encode(path)?)?)
    }

    /// BLAKE3 of its file, in hexadecimal: equal for equal heads.
    ///
    /// # Errors
    /// [`CacheError::WrongTensor`] where sizes disagree.
    pub fn digest(&self) -> Result<String, CacheError> {
        Ok(blake3::hash(&self.encode(Path::new(HEAD_FILE))?).to_hex().to_string())
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

    /// Reads a head for features of `dim` numbers and, where known, `classes` classes; with what a person should know about
    /// how it was read ([`HeadFile`]).
    ///
    /// # Errors
    /// [`CacheError::File`], [`CacheError::MalformedHead`].
    pub fn read(path: &Path, dim: usize, classes: Option<usize>) -> Result<(Self, Vec<String>), CacheError> {
        let file = HeadFile::read(path)?;
        let stored = file.kind().map(|kind| match kind {
            "linear" => Ok(HeadKind::Linear),
            "cosine" => Ok(HeadKind::Cosine),
            other => Err(CacheError::MalformedHead {
                path: path.to_owned(),
                expected: "a head of kind linear or cosine".to_owned(),
                got: format!("`{other}`"),
                hint: "it computes with more than a weight and a bias, and is no stage-1 head".to_owned(),
            }),
        });
        let stored = stored.transpose()?;
        let HeadWeights { classes, dim, weight, bias, cosine, mut notes } = file.weights(dim, classes)?;
        let directions = stored.is_none() && cosine.is_none() && are_directions(&weight, dim, &bias);
        if directions {
            let path = files::text::path(path);
            notes.push(format!("`{path}` has rows of length 1 and no bias: it is read as a cosine head"));
        }
        let found = if directions || cosine.is_some() { HeadKind::Cosine } else { HeadKind::Linear };
        Ok((Self { classes, dim, weight, bias, kind: stored.unwrap_or(found) }, notes))
    }
}

/// How far the length of a direction may be from 1: rounding of f16.
const LENGTH_TOLERANCE: f64 = 2e-3;

/// Whether all rows have length 1 and nothing is added, as in a matrix of text embeddings.
fn are_directions(weight: &[f32], dim: usize, bias: &[f32]) -> bool {
    let length = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    bias.iter().all(|&b| b == 0.0)
        && weight.chunks_exact(dim.max(1)).all(|row| (length(row) - 1.0).abs() <= LENGTH_TOLERANCE)
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
        assert_eq!(Stage1Head::read(&one, 3, Some(2)).unwrap(), (head, Vec::new()));
        assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
    }

    /// Rows (3, 4) / 5 have length 1; one that is longer, or a bias, makes the head linear.
    #[test]
    fn rows_of_length_1_without_bias_are_a_cosine_head() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.safetensors");
        let read = |numbers: [f32; 4]| {
            let view = TensorView::new(Dtype::F32, vec![2, 2], bytemuck::cast_slice(&numbers)).unwrap();
            std::fs::write(&path, safetensors::serialize([("weight", view)], None).unwrap()).unwrap();
            Stage1Head::read(&path, 2, Some(2)).unwrap()
        };
        let (head, notes) = read([0.6, 0.8, -1.0, 0.0]);
        assert_eq!(head.kind, HeadKind::Cosine);
        assert!(notes.iter().any(|note| note.ends_with("it is read as a cosine head")), "{notes:?}");
        let (head, _) = read([0.6, 0.9, -1.0, 0.0]);
        assert_eq!(head.kind, HeadKind::Linear);
    }
}
