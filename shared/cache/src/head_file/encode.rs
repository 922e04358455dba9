//! The bytes of a head file.

use crate::CacheError;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, path::Path};

/// What the data of a safetensors file begin at a multiple of.
const ALIGNMENT: usize = 8;

/// The bytes of a safetensors file of f32 tensors, `(name, shape, numbers)`, with metadata; equal contents are equal bytes, which
/// the crate does not give for several keys of metadata. `path` names the file in errors.
///
/// # Errors
/// [`CacheError::WrongTensor`] where a tensor has another size than its shape.
pub fn encode(
    tensors: &[(&str, Vec<usize>, &[f32])],
    metadata: &BTreeMap<String, String>,
    path: &Path,
) -> Result<Vec<u8>, CacheError> {
    let mut sorted: Vec<_> = tensors.iter().collect();
    sorted.sort_by_key(|(name, ..)| *name);
    let (mut header, mut data) = (Map::new(), Vec::new());
    header.insert("__metadata__".to_owned(), json!(metadata));
    for (name, shape, numbers) in sorted {
        if shape.iter().product::<usize>() != numbers.len() {
            return Err(CacheError::WrongTensor {
                path: path.to_owned(),
                tensor: (*name).to_owned(),
                expected: format!("{shape:?}"),
                got: format!("{} numbers", numbers.len()),
            });
        }
        let start = data.len();
        data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert((*name).to_owned(), entry);
    }
    let mut text = Value::Object(header).to_string();
    while !text.len().is_multiple_of(ALIGNMENT) {
        text.push(' ');
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.into_bytes());
    bytes.extend(data);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head_file::HeadFile;

    #[test]
    fn what_is_written_reads_back_and_equal_heads_are_equal_bytes() {
        let metadata: BTreeMap<String, String> = [("kind", "linear"), ("class_names", "[\"a\\tb\",\"ä\"]")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        let weight = [1.0_f32, -2.0, 0.5, 3.0, 0.0, 1e-7];
        let tensors = [("weight", vec![2, 3], &weight[..]), ("bias", vec![2], &[0.25, -1.0][..])];
        let bytes = encode(&tensors, &metadata, Path::new("head")).unwrap();
        assert_eq!(bytes, encode(&tensors, &metadata, Path::new("other")).unwrap());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let read = HeadFile::read(file.path()).unwrap();
        assert_eq!(read.metadata("class_names"), Some("[\"a\\tb\",\"ä\"]"));
        let weights = read.weights(3, Some(2)).unwrap();
        assert_eq!((weights.weight.as_slice(), weights.bias.as_slice()), (&weight[..], &[0.25, -1.0][..]));
        let wrong = encode(&[("bias", vec![3], &[0.0][..])], &metadata, Path::new("head")).unwrap_err();
        assert!(matches!(wrong, CacheError::WrongTensor { .. }));
    }
}
