//! Safetensors files of named tensors.

use super::bridge::{tensor_bytes, tensor_from_bytes};
use crate::ExtractError;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use tch::{Kind, TchError, Tensor};

/// The one metadata key that files carry: more than one would be written in random order.
const METADATA_KEY: &str = "extractor";

/// A safetensors file in memory, its header checked.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl TensorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ExtractError::Io`]; [`ExtractError::Malformed`] unless it is a safetensors file.
    pub fn read(path: &Path) -> Result<Self, ExtractError> {
        let bytes = std::fs::read(path).map_err(ExtractError::io("read", path))?;
        let file = Self { path: path.to_owned(), bytes };
        file.view()?;
        Ok(file)
    }

    /// Where the file was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text that [`encode`] stored beside the tensors.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] when there is none.
    pub fn metadata(&self) -> Result<String, ExtractError> {
        let (_, header) =
            SafeTensors::read_metadata(&self.bytes).map_err(|error| self.malformed(error.to_string()))?;
        let text = header.metadata().as_ref().and_then(|fields| fields.get(METADATA_KEY)).cloned();
        text.ok_or_else(|| self.malformed(format!("no metadata `{METADATA_KEY}`")))
    }

    /// Names of all tensors, sorted.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`].
    pub fn names(&self) -> Result<Vec<String>, ExtractError> {
        let mut names: Vec<String> = self.view()?.names().into_iter().map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// A copy of a tensor, on the CPU; `None` when the file has no such name.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] for a number format that libtorch does not know.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, ExtractError> {
        let view = self.view()?;
        let Ok(tensor) = view.tensor(name) else { return Ok(None) };
        let kind = kind_of(tensor.dtype())
            .ok_or_else(|| self.malformed(format!("tensor `{name}` of type {:?}", tensor.dtype())))?;
        let shape: Option<Vec<i64>> = tensor.shape().iter().map(|&size| i64::try_from(size).ok()).collect();
        let shape =
            shape.ok_or_else(|| self.malformed(format!("tensor `{name}` of shape {:?}", tensor.shape())))?;
        let copy = tensor_from_bytes(tensor.data(), &shape, kind)
            .map_err(ExtractError::torch(format!("copy tensor `{name}`")))?;
        Ok(Some(copy))
    }

    /// Copies values into the named tensors of a network, which keep their device and memory order.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`] that lists every name that is missing or has another shape; nothing is copied then.
    pub fn copy_into<'a>(
        &self,
        named: impl Iterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<(), ExtractError> {
        let _guard = tch::no_grad_guard();
        let (mut pairs, mut problems) = (Vec::new(), Vec::new());
        for (name, target) in named {
            match self.tensor(name)? {
                Some(source) if source.size() == target.size() => {
                    pairs.push((source, target.shallow_clone()))
                }
                Some(source) => problems.push(format!(
                    "`{name}` of shape {:?} instead of {:?}",
                    source.size(),
                    target.size()
                )),
                None => problems.push(format!("no `{name}`")),
            }
        }
        if !problems.is_empty() {
            return Err(self.malformed(problems.join(", ")));
        }
        for (source, mut target) in pairs {
            target.f_copy_(&source).map_err(ExtractError::torch("copy weights to the device"))?;
        }
        Ok(())
    }

    fn view(&self) -> Result<SafeTensors<'_>, ExtractError> {
        SafeTensors::deserialize(&self.bytes).map_err(|error| self.malformed(error.to_string()))
    }

    fn malformed(&self, got: String) -> ExtractError {
        ExtractError::Malformed {
            path: self.path.clone(),
            expected: "a safetensors file with the tensors of this network".to_owned(),
            got,
            hint: "check that the file belongs to this `--backbone` and `--width`".to_owned(),
        }
    }
}

/// The bytes of a safetensors file with these tensors and one text beside them; equal input gives equal bytes.
///
/// # Errors
/// libtorch's, when a tensor cannot be copied to the CPU; [`TchError::FileFormat`] for a type without a safetensors name.
pub fn encode(tensors: &[(String, Tensor)], metadata: String) -> Result<Vec<u8>, TchError> {
    let mut owned = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let kind = tensor.f_kind()?;
        let dtype = dtype_of(kind)
            .ok_or_else(|| TchError::FileFormat(format!("no safetensors type for {kind:?}")))?;
        let shape: Vec<usize> = tensor.size().iter().filter_map(|&size| usize::try_from(size).ok()).collect();
        owned.push((name, dtype, shape, tensor_bytes(tensor)?));
    }
    let mut views = Vec::with_capacity(owned.len());
    for (name, dtype, shape, bytes) in &owned {
        let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| file_format(&error))?;
        views.push((name.as_str(), view));
    }
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), metadata)]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| file_format(&error))
}

fn file_format(error: &safetensors::SafeTensorError) -> TchError {
    TchError::FileFormat(error.to_string())
}

const TYPES: [(Dtype, Kind); 8] = [
    (Dtype::F32, Kind::Float),
    (Dtype::F64, Kind::Double),
    (Dtype::F16, Kind::Half),
    (Dtype::BF16, Kind::BFloat16),
    (Dtype::I64, Kind::Int64),
    (Dtype::I32, Kind::Int),
    (Dtype::U8, Kind::Uint8),
    (Dtype::BOOL, Kind::Bool),
];

fn kind_of(dtype: Dtype) -> Option<Kind> {
    TYPES.iter().find(|(name, _)| *name == dtype).map(|&(_, kind)| kind)
}

fn dtype_of(kind: Kind) -> Option<Dtype> {
    TYPES.iter().find(|(_, name)| *name == kind).map(|&(dtype, _)| dtype)
}
