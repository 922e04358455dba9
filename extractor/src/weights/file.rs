//! Safetensors files of named tensors.

use crate::ExtractError;
use files::content::Content;
use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};
use tch::{Kind, TchError, Tensor};
use torch::bytes::{tensor_bytes, tensor_from_bytes};

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
    /// [`ExtractError::File`]; [`ExtractError::Malformed`] unless it is a safetensors file.
    pub fn read(path: &Path) -> Result<Self, ExtractError> {
        let bytes = files::regular::read(path).map_err(ExtractError::io("read", path))?;
        let file = Self { path: path.to_owned(), bytes };
        file.view()?;
        Ok(file)
    }

    /// Where the file was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text that [`encode`] stored beside the tensors; `None` when another program wrote the file.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`].
    pub fn metadata(&self) -> Result<Option<String>, ExtractError> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).map_err(|error| self.damaged(&error))?;
        Ok(header.metadata().as_ref().and_then(|fields| fields.get(METADATA_KEY)).cloned())
    }

    /// Names and shapes of all tensors, by name.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`].
    pub fn shapes(&self) -> Result<BTreeMap<String, Vec<i64>>, ExtractError> {
        let view = self.view()?;
        let shape = |sizes: &[usize]| sizes.iter().filter_map(|&size| i64::try_from(size).ok()).collect();
        Ok(view.iter().map(|(name, tensor)| (name.to_owned(), shape(tensor.shape()))).collect())
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
                    pairs.push((source, target.shallow_clone()));
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

    /// The tensors, borrowed.
    ///
    /// # Errors
    /// [`ExtractError::Malformed`].
    pub(super) fn view(&self) -> Result<SafeTensors<'_>, ExtractError> {
        SafeTensors::deserialize(&self.bytes).map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, error: &SafeTensorError) -> ExtractError {
        let (got, hint) = match Content::of(&self.bytes) {
            Some(content) => (content.name().to_owned(), content.hint(&self.path)),
            None => {
                (error.to_string(), "the file is damaged or of another format: write it again".to_owned())
            }
        };
        ExtractError::Malformed {
            path: self.path.clone(),
            expected: "a safetensors file".to_owned(),
            got,
            hint,
        }
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

fn file_format(error: &SafeTensorError) -> TchError {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<TensorFile, ExtractError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        TensorFile::read(file.path())
    }

    fn example() -> Vec<u8> {
        let numbers = Tensor::arange(6, (Kind::Float, tch::Device::Cpu)).reshape([2, 3]);
        let tensors = [
            ("weight".to_owned(), numbers.shallow_clone()),
            ("count".to_owned(), numbers.to_kind(Kind::Int64)),
        ];
        encode(&tensors, "text".to_owned()).unwrap()
    }

    #[test]
    fn tensors_and_text_read_back_and_equal_input_gives_equal_bytes() {
        let file = read(&example()).unwrap();
        assert_eq!(file.names().unwrap(), ["count", "weight"]);
        assert_eq!(file.metadata().unwrap().as_deref(), Some("text"));
        let (weight, count) =
            (file.tensor("weight").unwrap().unwrap(), file.tensor("count").unwrap().unwrap());
        assert_eq!((weight.kind(), count.kind()), (Kind::Float, Kind::Int64));
        assert_eq!(Vec::<i64>::try_from(count.reshape([6])).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert!(file.tensor("bias").unwrap().is_none());
        assert_eq!(example(), example());
    }

    #[test]
    fn rejects_a_file_that_is_cut_anywhere() {
        let whole = example();
        for length in 0..whole.len() {
            assert!(matches!(read(&whole[..length]), Err(ExtractError::Malformed { .. })), "{length} bytes");
        }
    }

    #[test]
    fn lists_every_name_that_does_not_fit_and_copies_nothing() {
        let file = read(&example()).unwrap();
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, tch::Device::Cpu));
        let (weight, bias, count) = (zeros(&[2, 3]), zeros(&[3]), zeros(&[3, 2]));
        let error = file
            .copy_into([("weight", &weight), ("bias", &bias), ("count", &count)].into_iter())
            .unwrap_err();
        let message = error.to_string();
        assert!(message.contains("no `bias`, `count` of shape [2, 3] instead of [3, 2]"), "{message}");
        assert_eq!(weight.sum(Kind::Float).double_value(&[]), 0.0);
        file.copy_into([("weight", &weight)].into_iter()).unwrap();
        assert_eq!(weight.sum(Kind::Float).double_value(&[]), 15.0);
    }
}
