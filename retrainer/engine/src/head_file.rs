//! Exported heads: a safetensors file that PyTorch loads, and that holds all that the test-time formula needs.
//!
//! `weight` `[C, D]` and `bias` `[C]` are always there. The metadata key `kind` says how they make logits: `linear` (an
//! `nn.Linear`), `distance` (the same less |f|²/2, which all classes share: an `nn.Linear` predicts alike), `cosine` (of features of length 1), `centred-cosine` (of centred ones, with `centre` `[D]`), `aligned` (with
//! `confidence` `[D]`, `confidence_bias` `[1]`, `scale` `[C]`, `offset` `[C]`), `aligned-cosine` (the same on a head that reads
//! features of length 1; the confidence reads raw ones).

use crate::head::{Alignment, Head, HeadForm};
use cache::{
    CacheError,
    head_file::{HeadFile, HeadWeights},
};
use safetensors::{Dtype, tensor::TensorView};
use std::{collections::HashMap, path::Path};

/// The bytes of a head file; `path` names it in errors.
///
/// # Errors
/// [`CacheError::WrongTensor`] where sizes disagree.
pub fn bytes(head: &Head, path: &Path) -> Result<Vec<u8>, CacheError> {
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
/// [`CacheError::File`]; [`CacheError::WrongTensor`] where sizes disagree.
pub fn write(head: &Head, path: &Path) -> Result<(), CacheError> {
    Ok(files::output::write(path, &bytes(head, path)?)?)
}

/// Reads a head for features of `dim` numbers and `classes` classes, with what a person should know about how it was read;
/// without `kind` it is linear, or cosine where its tensors say so ([`HeadFile`]).
///
/// # Errors
/// [`CacheError::File`], [`CacheError::MalformedHead`].
pub fn read(path: &Path, dim: usize, classes: usize) -> Result<(Head, Vec<String>), CacheError> {
    let file = HeadFile::read(path)?;
    let HeadWeights { weight, bias, cosine, notes, .. } = file.weights(dim, Some(classes))?;
    let plain = |form| Head { classes, dim, weight: weight.clone(), bias: bias.clone(), form };
    let head = match (file.kind(), cosine) {
        (None, Some(scale)) => {
            let directions = plain(HeadForm::UnitFeatures { centre: Vec::new() });
            directions.with_lengths(f64::from(scale))
        }
        (None | Some("linear"), _) => plain(HeadForm::Linear),
        (Some("distance"), _) => plain(HeadForm::Distance),
        (Some("cosine"), _) => plain(HeadForm::UnitFeatures { centre: Vec::new() }),
        (Some("centred-cosine"), _) => plain(HeadForm::UnitFeatures { centre: file.vector("centre", dim)? }),
        (Some(kind @ ("aligned" | "aligned-cosine")), _) => plain(HeadForm::Aligned(Alignment {
            confidence: file.vector("confidence", dim)?,
            confidence_bias: file.vector("confidence_bias", 1)?.first().copied().unwrap_or(0.0),
            scale: file.vector("scale", classes)?,
            offset: file.vector("offset", classes)?,
            unit_features: kind == "aligned-cosine",
        })),
        (Some(other), _) => {
            return Err(CacheError::MalformedHead {
                path: path.to_owned(),
                expected:
                    "a head of kind linear, distance, cosine, centred-cosine, aligned or aligned-cosine"
                        .to_owned(),
                got: format!("`{other}`"),
                hint: "export it again with this version".to_owned(),
            });
        }
    };
    Ok((head, notes))
}

impl Head {
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

    fn head(form: HeadForm) -> Head {
        Head { classes: 2, dim: 2, weight: vec![3.0, 0.0, 0.0, 2.0], bias: vec![0.5, -1.0], form }
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
            assert_eq!(read(&path, 2, 2).unwrap(), (head, Vec::new()));
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
        assert!(cache::Stage1Head::read(&path, 2, Some(2)).is_err());
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(7).position(|window| window == b"aligned").unwrap();
        bytes[at] = b'm';
        std::fs::write(&path, bytes).unwrap();
        assert!(read(&path, 2, 2).unwrap_err().to_string().contains("`mligned`"));
    }

    /// Closed form: logits of a cosine classifier with scale 2 are 2 cos(w_k, f), whatever the lengths of its rows.
    #[test]
    fn cosine_classifiers_of_other_code_have_rows_of_the_length_of_their_scale() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let (weight, scale) = ([3.0_f32, 4.0, 0.0, 0.5].map(f32::to_le_bytes), 2.0_f32.to_le_bytes());
        let views = [
            ("fc.weight", TensorView::new(Dtype::F32, vec![2, 2], weight.as_flattened()).unwrap()),
            ("fc.sigma", TensorView::new(Dtype::F32, vec![1], &scale).unwrap()),
        ];
        std::fs::write(path.path(), safetensors::serialize(views, None).unwrap()).unwrap();
        let (head, _) = read(path.path(), 2, 2).unwrap();
        for (got, expected) in head.logits(&[10.0, 0.0]).iter().zip([1.2, 0.0]) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
    }
}
