//! Exported heads: a safetensors file that PyTorch loads, and that holds all that the test-time formula needs.
//!
//! `weight` `[C, D]` and `bias` `[C]` are always there. The metadata key `kind` says how they make logits: `linear` (an
//! `nn.Linear`), `distance` (the same less |f|²/2, which all classes share: an `nn.Linear` predicts alike), `cosine` (of features of length 1), `centred-cosine` (of centred ones, with `centre` `[D]`), `aligned` (with
//! `confidence` `[D]`, `confidence_bias` `[1]`, `scale` `[C]`, `offset` `[C]`), `aligned-cosine` (the same on a head that reads
//! features of length 1; the confidence reads raw ones).

use crate::train::{Alignment, HeadForm, LinearHead};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use shared::CacheError;
use std::{collections::HashMap, path::Path};

/// The bytes of a head file; `path` names it in errors.
///
/// # Errors
/// [`CacheError::WrongTensor`] where sizes disagree.
pub fn bytes(head: &LinearHead, path: &Path) -> Result<Vec<u8>, CacheError> {
    let mut tensors: Vec<(&str, Vec<usize>, &[f32])> = vec![
        ("weight", vec![head.classes, head.dim], &head.weight),
        ("bias", vec![head.classes], &head.bias),
    ];
    let confidence_bias;
    let kind = match &head.form {
        HeadForm::Linear => "linear",
        HeadForm::Distance => "distance",
        HeadForm::UnitFeatures { centre } if centre.is_empty() => "cosine",
        HeadForm::UnitFeatures { centre } => {
            tensors.push(("centre", vec![head.dim], centre));
            "centred-cosine"
        }
        HeadForm::Aligned(alignment) => {
            confidence_bias = [alignment.confidence_bias];
            tensors.push(("confidence", vec![head.dim], &alignment.confidence));
            tensors.push(("confidence_bias", vec![1], &confidence_bias));
            tensors.push(("scale", vec![head.classes], &alignment.scale));
            tensors.push(("offset", vec![head.classes], &alignment.offset));
            if alignment.unit_features { "aligned-cosine" } else { "aligned" }
        }
    };
    let wrong = |tensor: &str, error: safetensors::SafeTensorError| CacheError::WrongTensor {
        path: path.to_owned(),
        tensor: tensor.to_owned(),
        expected: format!("{} classes of {} features", head.classes, head.dim),
        got: error.to_string(),
    };
    let views = tensors
        .into_iter()
        .map(|(name, shape, numbers)| {
            let view = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(numbers));
            view.map(|view| (name, view)).map_err(|error| wrong(name, error))
        })
        .collect::<Result<Vec<_>, _>>()?;
    // One key only: the crate writes several in random order, and equal heads must be equal bytes.
    let metadata = HashMap::from([("kind".to_owned(), kind.to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| wrong("weight", error))
}

/// Writes a head, whole or not at all.
///
/// # Errors
/// [`CacheError::Io`]; [`CacheError::WrongTensor`] where sizes disagree.
pub fn write(head: &LinearHead, path: &Path) -> Result<(), CacheError> {
    shared::output::write(path, &bytes(head, path)?)
}

/// Reads a head; `bias` may be absent (zeros), and without `kind` it is linear.
///
/// # Errors
/// [`CacheError::Io`], [`CacheError::InvalidHeader`], [`CacheError::WrongTensor`], [`CacheError::NonFinite`].
pub fn read(path: &Path) -> Result<LinearHead, CacheError> {
    let bytes = std::fs::read(path).map_err(|source| CacheError::io("read", path, source))?;
    let invalid = |error: safetensors::SafeTensorError| CacheError::InvalidHeader {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(invalid)?;
    let kind =
        metadata.metadata().as_ref().and_then(|pairs| pairs.get("kind")).map_or("linear", String::as_str);
    let file = File { path, tensors: SafeTensors::deserialize(&bytes).map_err(invalid)? };
    let weight = file.tensors.tensor("weight").map_err(|_| file.wrong("weight", "F32 [C, D]", "absent"))?;
    let &[classes, dim] = weight.shape() else {
        return Err(file.wrong("weight", "F32 [C, D]", &format!("{:?}", weight.shape())));
    };
    let bias = if file.tensors.tensor("bias").is_ok() {
        file.numbers("bias", &[classes])?
    } else {
        vec![0.0; classes]
    };
    let form = match kind {
        "linear" => HeadForm::Linear,
        "distance" => HeadForm::Distance,
        "cosine" => HeadForm::UnitFeatures { centre: Vec::new() },
        "centred-cosine" => HeadForm::UnitFeatures { centre: file.numbers("centre", &[dim])? },
        "aligned" | "aligned-cosine" => HeadForm::Aligned(Alignment {
            confidence: file.numbers("confidence", &[dim])?,
            confidence_bias: file.numbers("confidence_bias", &[1])?.first().copied().unwrap_or(0.0),
            scale: file.numbers("scale", &[classes])?,
            offset: file.numbers("offset", &[classes])?,
            unit_features: kind == "aligned-cosine",
        }),
        other => {
            return Err(file.wrong(
                "kind",
                "linear, distance, cosine, centred-cosine, aligned or aligned-cosine",
                &format!("`{other}`"),
            ));
        }
    };
    let weight = file.numbers("weight", &[classes, dim])?;
    Ok(LinearHead { classes, dim, weight, bias, form })
}

struct File<'data> {
    path: &'data Path,
    tensors: SafeTensors<'data>,
}

impl File<'_> {
    /// The finite f32 numbers of a tensor of this shape.
    fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CacheError> {
        let expected = format!("F32 {shape:?}");
        let tensor = self.tensors.tensor(name).map_err(|_| self.wrong(name, &expected, "absent"))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(self.wrong(name, &expected, &format!("{} {:?}", tensor.dtype(), tensor.shape())));
        }
        let numbers: Vec<f32> =
            tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        match numbers.iter().position(|number| !number.is_finite()) {
            None => Ok(numbers),
            Some(at) => {
                let row = at / shape.get(1).copied().unwrap_or(1).max(1);
                Err(CacheError::NonFinite { path: self.path.to_owned(), row })
            }
        }
    }

    fn wrong(&self, tensor: &str, expected: &str, got: &str) -> CacheError {
        CacheError::WrongTensor {
            path: self.path.to_owned(),
            tensor: tensor.to_owned(),
            expected: expected.to_owned(),
            got: got.to_owned(),
        }
    }
}

impl LinearHead {
    /// Logits of one sample in f64: what the engine's f32 is checked against.
    pub fn logits(&self, features: &[f32]) -> Vec<f64> {
        let wide = |numbers: &[f32]| numbers.iter().map(|&number| f64::from(number)).collect::<Vec<f64>>();
        let mut input = wide(features);
        if let HeadForm::UnitFeatures { centre } = &self.form {
            for (number, &middle) in input.iter_mut().zip(centre) {
                *number -= f64::from(middle);
            }
        }
        if self.reads_unit_features() || matches!(&self.form, HeadForm::Aligned(own) if own.unit_features) {
            // A sample at the centre has no direction; its logits are the biases.
            let length = dot(&input, &input).sqrt().max(1e-12);
            for number in &mut input {
                *number /= length;
            }
        }
        let rows = self.weight.chunks_exact(self.dim.max(1)).zip(&self.bias);
        let logits: Vec<f64> = rows.map(|(row, &bias)| dot(&wide(row), &input) + f64::from(bias)).collect();
        match &self.form {
            HeadForm::Linear | HeadForm::UnitFeatures { .. } => logits,
            HeadForm::Distance => {
                let shared = dot(&input, &input) / 2.0;
                logits.into_iter().map(|logit| logit - shared).collect()
            }
            HeadForm::Aligned(alignment) => {
                let score =
                    dot(&wide(&alignment.confidence), &wide(features)) + f64::from(alignment.confidence_bias);
                let confidence = 1.0 / (1.0 + (-score).exp());
                let classes = alignment.scale.iter().zip(&alignment.offset);
                logits
                    .iter()
                    .zip(classes)
                    .map(|(z, (&a, &d))| (1.0 + confidence * f64::from(a)) * z + confidence * f64::from(d))
                    .collect()
            }
        }
    }
}

fn dot(one: &[f64], two: &[f64]) -> f64 {
    one.iter().zip(two).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(form: HeadForm) -> LinearHead {
        LinearHead { classes: 2, dim: 2, weight: vec![3.0, 0.0, 0.0, 2.0], bias: vec![0.5, -1.0], form }
    }

    fn aligned() -> HeadForm {
        HeadForm::Aligned(Alignment {
            confidence: vec![0.0, 0.0],
            confidence_bias: 0.0,
            scale: vec![1.0, 0.0],
            offset: vec![0.0, 4.0],
            unit_features: false,
        })
    }

    fn aligned_cosine() -> HeadForm {
        let HeadForm::Aligned(own) = aligned() else { return HeadForm::Linear };
        HeadForm::Aligned(Alignment { confidence: vec![3f32.ln() / 3.0, 0.0], unit_features: true, ..own })
    }

    #[test]
    fn every_form_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.safetensors");
        let unit = |centre| HeadForm::UnitFeatures { centre };
        let forms = [
            HeadForm::Linear,
            HeadForm::Distance,
            unit(vec![]),
            unit(vec![1.0, 2.0]),
            aligned(),
            aligned_cosine(),
        ];
        for form in forms {
            let head = head(form);
            write(&head, &path).unwrap();
            assert_eq!(read(&path).unwrap(), head);
        }
    }

    #[test]
    fn logits_follow_the_form() {
        let features = [3.0, 4.0];
        assert_eq!(head(HeadForm::Linear).logits(&features), [9.5, 7.0]);
        // |f|² = 25.
        assert_eq!(head(HeadForm::Distance).logits(&features), [-3.0, -5.5]);
        // Length 5: the unit features are (0.6, 0.8).
        let unit = head(HeadForm::UnitFeatures { centre: Vec::new() }).logits(&features);
        assert!((unit[0] - 2.3).abs() < 1e-12 && (unit[1] - 0.6).abs() < 1e-12);
        let centred = head(HeadForm::UnitFeatures { centre: vec![3.0, 0.0] }).logits(&features);
        assert_eq!(centred, [0.5, 1.0]);
        // Confidence ½: (1 + ½·1) 9.5 + 0 and 7 + ½·4.
        assert_eq!(head(aligned()).logits(&features), [14.25, 9.0]);
        // Raw features give the confidence ¾, features of length 1 the logits 2.3 and 0.6: (1 + ¾·1) 2.3 and 0.6 + ¾·4.
        let calibrated = head(aligned_cosine()).logits(&features);
        assert!((calibrated[0] - 4.025).abs() < 1e-6 && (calibrated[1] - 3.6).abs() < 1e-6);
    }

    #[test]
    fn an_unknown_kind_is_an_error_and_not_taken_for_linear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.safetensors");
        write(&head(aligned()), &path).unwrap();
        assert!(shared::Stage1Head::read(&path).is_err());
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(7).position(|window| window == b"aligned").unwrap();
        bytes[at] = b'm';
        std::fs::write(&path, bytes).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("`mligned`"));
    }
}
