//! Exported heads: a safetensors file that PyTorch loads, and that holds all that the test-time formula needs.
//!
//! `weight` `[C, D]` and `bias` `[C]` are always there. The metadata key `kind` says how they make logits: `linear` (an
//! `nn.Linear`), `distance` (the same less |f|²/2, which all classes share: an `nn.Linear` predicts alike), `cosine` (of features
//! of length 1), `centred-cosine` (of centred ones, with `centre` `[D]`), `aligned` (with `confidence` `[D]`, `confidence_bias`
//! `[1]`, `scale` `[C]`, `offset` `[C]`), `aligned-cosine` (the same on a head that reads features of length 1; the confidence
//! reads raw ones). Before it stands how features are normalised first, where they are: `l2+` (to length 1), `standardise+`
//! (`(f − input_mean) ⊙ input_scale`, both `[D]`).

use super::{Alignment, Head, HeadForm, Normalisation};
use crate::{
    CacheError,
    head_file::{self, HeadFile, HeadWeights, KIND},
};
use std::{collections::BTreeMap, path::Path};

/// A tensor to write.
type Tensor<'head> = (&'static str, Vec<usize>, &'head [f32]);

/// What stands between the normalisation and the form of a kind.
const THEN: char = '+';

/// The bytes of a head file, which says of itself what `metadata` has, and its kind; `path` names it in errors.
///
/// # Errors
/// [`CacheError::WrongTensor`] where sizes disagree.
pub fn bytes(head: &Head, metadata: &BTreeMap<String, String>, path: &Path) -> Result<Vec<u8>, CacheError> {
    let mut tensors: Vec<Tensor<'_>> = vec![
        ("weight", vec![head.classes, head.dim], &head.weight),
        ("bias", vec![head.classes], &head.bias),
    ];
    let mut metadata = metadata.clone();
    metadata.insert(KIND.to_owned(), kind(head, &head.form, &mut tensors));
    head_file::encode(&tensors, &metadata, path)
}

/// The kind of a form; its tensors are added.
fn kind<'head>(head: &Head, form: &'head HeadForm, tensors: &mut Vec<Tensor<'head>>) -> String {
    match form {
        HeadForm::Linear => "linear".to_owned(),
        HeadForm::Distance => "distance".to_owned(),
        HeadForm::UnitFeatures { centre } if centre.is_empty() => "cosine".to_owned(),
        HeadForm::UnitFeatures { centre } => {
            tensors.push(("centre", vec![head.dim], centre));
            "centred-cosine".to_owned()
        }
        HeadForm::Aligned(alignment) => {
            tensors.push(("confidence", vec![head.dim], &alignment.confidence));
            tensors.push(("confidence_bias", vec![1], std::slice::from_ref(&alignment.confidence_bias)));
            tensors.push(("scale", vec![head.classes], &alignment.scale));
            tensors.push(("offset", vec![head.classes], &alignment.offset));
            if alignment.unit_features { "aligned-cosine" } else { "aligned" }.to_owned()
        }
        HeadForm::Normalised { by, form } => {
            let first = match by {
                Normalisation::Unit => "l2",
                Normalisation::Standard { mean, scale } => {
                    tensors.push(("input_mean", vec![head.dim], mean));
                    tensors.push(("input_scale", vec![head.dim], scale));
                    "standardise"
                }
            };
            format!("{first}{THEN}{}", kind(head, form, tensors))
        }
    }
}

/// Writes a head, whole or not at all.
///
/// # Errors
/// [`CacheError::File`]; [`CacheError::WrongTensor`] where sizes disagree.
pub fn write(head: &Head, path: &Path) -> Result<(), CacheError> {
    Ok(files::output::write(path, &bytes(head, &BTreeMap::new(), path)?)?)
}

/// Reads a head for features of `dim` numbers and, where known, `classes` classes, with what a person should know about how it was
/// read; without `kind` it is linear, or cosine where its tensors say so ([`HeadFile`]).
///
/// # Errors
/// [`CacheError::File`], [`CacheError::MalformedHead`].
pub fn read(path: &Path, dim: usize, classes: Option<usize>) -> Result<(Head, Vec<String>), CacheError> {
    let file = HeadFile::read(path)?;
    let HeadWeights { classes, weight, bias, cosine, notes, .. } = file.weights(dim, classes)?;
    let plain = |form| Head { classes, dim, weight, bias, form };
    let head = match (file.kind(), cosine) {
        (None, Some(scale)) => {
            plain(HeadForm::UnitFeatures { centre: Vec::new() }).with_lengths(f64::from(scale))
        }
        (None, None) => plain(HeadForm::Linear),
        (Some(kind), _) => plain(form(&file, kind, dim, classes)?),
    };
    Ok((head, notes))
}

/// The form of a kind.
fn form(file: &HeadFile, kind: &str, dim: usize, classes: usize) -> Result<HeadForm, CacheError> {
    if let Some((first, then)) = kind.split_once(THEN) {
        let by = match first {
            "l2" => Normalisation::Unit,
            "standardise" => Normalisation::Standard {
                mean: file.vector("input_mean", dim)?,
                scale: file.vector("input_scale", dim)?,
            },
            _ => return Err(unknown(file, kind)),
        };
        // One normalisation, no chain: a file decides no depth.
        if then.contains(THEN) {
            return Err(unknown(file, kind));
        }
        return Ok(HeadForm::Normalised { by, form: Box::new(form(file, then, dim, classes)?) });
    }
    Ok(match kind {
        "linear" => HeadForm::Linear,
        "distance" => HeadForm::Distance,
        "cosine" => HeadForm::UnitFeatures { centre: Vec::new() },
        "centred-cosine" => HeadForm::UnitFeatures { centre: file.vector("centre", dim)? },
        "aligned" | "aligned-cosine" => HeadForm::Aligned(Alignment {
            confidence: file.vector("confidence", dim)?,
            confidence_bias: file.vector("confidence_bias", 1)?.first().copied().unwrap_or(0.0),
            scale: file.vector("scale", classes)?,
            offset: file.vector("offset", classes)?,
            unit_features: kind == "aligned-cosine",
        }),
        _ => return Err(unknown(file, kind)),
    })
}

fn unknown(file: &HeadFile, kind: &str) -> CacheError {
    let expected = "a head of kind linear, distance, cosine, centred-cosine, aligned or aligned-cosine";
    file.malformed(expected, format!("`{kind}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::{Dtype, tensor::TensorView};

    fn head(form: HeadForm) -> Head {
        Head { classes: 2, dim: 2, weight: vec![3.0, 0.0, 0.0, 2.0], bias: vec![0.5, -1.0], form }
    }

    fn aligned(unit_features: bool) -> HeadForm {
        HeadForm::Aligned(Alignment {
            confidence: vec![0.25, 0.0],
            confidence_bias: 0.0,
            scale: vec![1.0, 0.0],
            offset: vec![0.0, 4.0],
            unit_features,
        })
    }

    #[test]
    fn every_form_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.safetensors");
        let unit = |centre| HeadForm::UnitFeatures { centre };
        let plain = [
            HeadForm::Linear,
            HeadForm::Distance,
            unit(vec![]),
            unit(vec![1.0, 2.0]),
            aligned(false),
            aligned(true),
        ];
        let standard = Normalisation::Standard { mean: vec![1.0, -1.0], scale: vec![0.5, 0.0] };
        let normalised = plain.iter().flat_map(|form| {
            [Normalisation::Unit, standard.clone()]
                .map(|by| HeadForm::Normalised { by, form: Box::new(form.clone()) })
        });
        for form in plain.iter().cloned().chain(normalised) {
            let head = head(form);
            write(&head, &path).unwrap();
            assert_eq!(read(&path, 2, Some(2)).unwrap(), (head.clone(), Vec::new()));
            assert_eq!(read(&path, 2, None).unwrap(), (head, Vec::new()));
        }
    }

    #[test]
    fn an_unknown_kind_is_an_error_and_not_taken_for_linear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.safetensors");
        write(&head(aligned(false)), &path).unwrap();
        assert!(crate::Stage1Head::read(&path, 2, Some(2)).is_err());
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(7).position(|window| window == b"aligned").unwrap();
        bytes[at] = b'm';
        std::fs::write(&path, bytes).unwrap();
        assert!(read(&path, 2, Some(2)).unwrap_err().to_string().contains("`mligned`"));
        let chain = HeadForm::Normalised { by: Normalisation::Unit, form: Box::new(HeadForm::Linear) };
        write(&head(HeadForm::Normalised { by: Normalisation::Unit, form: Box::new(chain) }), &path).unwrap();
        assert!(read(&path, 2, Some(2)).unwrap_err().to_string().contains("`l2+l2+linear`"));
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
        let (head, _) = read(path.path(), 2, Some(2)).unwrap();
        for (got, expected) in head.logits(&[10.0, 0.0]).iter().zip([1.2, 0.0]) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
    }
}
