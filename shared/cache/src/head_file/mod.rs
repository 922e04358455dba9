//! Head files: the weight and bias of a last layer, as this project and other programs store them.
//!
//! | there | here |
//! |---|---|
//! | `weight`, `fc.weight`, `module.linear.weight` …, or the only `….weight` of the file | weight |
//! | `[C, D]`, `[C, D, 1, 1]` of a convolution, `[D, C]` where D and C say so | `[C, D]` |
//! | `bias` `[C]`, `[C, 1]`, `[1, C]`, or none | `[C]`, zeros for none |
//! | f64, f32, f16, bf16 | f32 |
//! | `scale` or `sigma` of one number beside a weight | a cosine head |
//! | `learned_norm` or `scales` `[C]`: factors of the logits (MiSLAS, LWS) | in weight and bias |
//!
//! Nothing is allocated that the bytes of the file do not fill.

mod encode;
mod parts;

use crate::{
    CacheError,
    head_names::{FACTORS, HEADS, SCALES, is_book_keeping, without_wrappers},
};
use files::{content::Content, regular, text};
use parts::vector;
pub(crate) use parts::{finite, numbers};
use safetensors::SafeTensors;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub use encode::encode;
pub use parts::{Columns, HeadParts, HeadWeights, Named};

/// The metadata key that says how a head makes logits.
pub(crate) const KIND: &str = "kind";

/// Names that a message lists.
const LISTED: usize = 4;

/// A head file in memory, its header checked.
#[derive(Debug)]
pub struct HeadFile {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: BTreeMap<String, String>,
}

impl HeadFile {
    /// Reads a safetensors file.
    ///
    /// # Errors
    /// [`CacheError::File`]; [`CacheError::MalformedHead`] for another format.
    pub fn read(path: &Path) -> Result<Self, CacheError> {
        let bytes = regular::read(path).map_err(|source| CacheError::io("read", path, source))?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| {
            let (got, hint) = match Content::of(&bytes) {
                Some(content) => (content.name().to_owned(), content.hint(path)),
                None => (error.to_string(), "the file is damaged: write it again".to_owned()),
            };
            malformed(path, "a safetensors file with a head", got, &hint)
        })?;
        let metadata = metadata.metadata().clone().unwrap_or_default().into_iter().collect();
        Ok(Self { path: path.to_owned(), bytes, metadata })
    }

    /// How the head makes logits, where the file says so: the metadata key `kind`.
    pub fn kind(&self) -> Option<&str> {
        self.metadata(KIND)
    }

    /// What the file says of itself under a key of its metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The error that the file holds something else than `expected`.
    pub fn malformed(&self, expected: &str, got: String) -> CacheError {
        malformed(&self.path, expected, got, "export the head again")
    }

    /// Weight and bias for features of `dim` numbers and, where known, `classes` classes.
    ///
    /// # Errors
    /// [`CacheError::MalformedHead`].
    pub fn weights(&self, dim: usize, classes: Option<usize>) -> Result<HeadWeights, CacheError> {
        let tensors = self.tensors()?;
        let names: Vec<&str> = tensors.names();
        let stem = self.stem(&names)?;
        // Ours have a `scale` of another meaning, by their kind.
        let foreign = self.kind().is_none();
        let part = |part: &str| {
            let wanted = if stem.is_empty() { part.to_owned() } else { format!("{stem}.{part}") };
            let wanted = |name: &str| name == wanted || (FACTORS.contains(&part) && name == part);
            let name = names.iter().find(|name| wanted(&without_wrappers(name)))?;
            Some((*name, tensors.tensor(name).ok()?))
        };
        let any = |parts: [&str; 2]| parts.into_iter().find_map(part).filter(|_| foreign);
        let weight = part("weight").ok_or_else(|| self.no_weight(&names))?;
        let parts = HeadParts {
            path: &self.path,
            weight,
            bias: part("bias"),
            scale: any(SCALES),
            factors: any(FACTORS),
            columns: if foreign { Columns::Unknown } else { Columns::Linear },
        };
        let used =
            1 + [&parts.bias, &parts.scale, &parts.factors].into_iter().filter(|part| part.is_some()).count();
        let mut weights = parts.weights(dim, classes)?;
        if foreign && names.iter().filter(|name| !is_book_keeping(name)).count() > used {
            let (name, path) = (parts.weight.0, text::path(&self.path));
            weights.notes.push(format!("the head of `{path}` is `{name}`, one of {} tensors", names.len()));
        }
        // Ours have both or say by their kind that they have none.
        let is_bias = |name: &str| name.rsplit_once('.').is_some_and(|(_, last)| last == "bias");
        if foreign && parts.bias.is_none() && names.iter().any(|name| is_bias(name)) {
            let (name, path) = (parts.weight.0, text::path(&self.path));
            weights.notes.push(format!("no bias in `{path}` belongs to `{name}`: the head has none"));
        }
        Ok(weights)
    }

    /// The numbers of a tensor `[len]` of this very name.
    ///
    /// # Errors
    /// [`CacheError::MalformedHead`].
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, CacheError> {
        let tensors = self.tensors()?;
        let tensor = tensors.tensor(name).map_err(|_| {
            let expected =
                format!("`{name}` [{len}] for a head of kind `{}`", self.kind().unwrap_or_default());
            malformed(&self.path, &expected, "no such tensor".to_owned(), "export the head again")
        })?;
        vector(&self.path, &(name, tensor), len)
    }

    fn tensors(&self) -> Result<SafeTensors<'_>, CacheError> {
        SafeTensors::deserialize(&self.bytes).map_err(|error| {
            let hint = "the file is damaged: write it again";
            malformed(&self.path, "a safetensors file with a head", error.to_string(), hint)
        })
    }

    /// What comes before `weight` in the head's name, wrappers aside: nothing, a name of a last layer, or that of the only weight.
    fn stem(&self, names: &[&str]) -> Result<String, CacheError> {
        let mut stems: Vec<String> = names
            .iter()
            .map(|name| without_wrappers(name))
            .filter_map(|name| match name.strip_suffix("weight")? {
                "" => Some(String::new()),
                stem => stem.strip_suffix('.').map(str::to_owned),
            })
            .collect();
        stems.sort_unstable();
        if stems.iter().any(String::is_empty) {
            stems.retain(String::is_empty);
        } else if stems.len() > 1 {
            stems.retain(|stem| HEADS.contains(&stem.as_str()));
        }
        match stems.as_slice() {
            [stem] => Ok(stem.clone()),
            [] => Err(self.no_weight(names)),
            several => {
                let named: Vec<String> = several.iter().map(|stem| format!("`{stem}.weight`")).collect();
                let hint = "save the head alone, in PyTorch: `save_file(model.fc.state_dict(), FILE)`";
                Err(malformed(&self.path, "one head", some(&named), hint))
            }
        }
    }

    fn no_weight(&self, names: &[&str]) -> CacheError {
        let mut named: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        named.sort_unstable();
        let got = if named.is_empty() { "no tensor".to_owned() } else { some(&named) };
        let hint = "save the last layer alone, in PyTorch: `save_file(model.fc.state_dict(), FILE)`";
        malformed(&self.path, "a head: `weight` [C, D] and optionally `bias` [C]", got, hint)
    }
}

pub(crate) fn malformed(path: &Path, expected: &str, got: String, hint: &str) -> CacheError {
    CacheError::MalformedHead {
        path: path.to_owned(),
        expected: expected.to_owned(),
        got,
        hint: hint.to_owned(),
    }
}

/// The first few, and how many follow.
fn some(named: &[String]) -> String {
    let listed = named.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match named.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use safetensors::{Dtype, tensor::TensorView};

    /// A file of f32 tensors that count from 0.
    fn file(tensors: &[(&str, &[usize])], kind: Option<&str>) -> (tempfile::TempDir, HeadFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.safetensors");
        let bytes = |shape: &[usize]| -> Vec<u8> {
            (0_u16..).take(shape.iter().product()).flat_map(|i| f32::from(i).to_le_bytes()).collect()
        };
        let stored: Vec<_> =
            tensors.iter().map(|(name, shape)| (*name, shape.to_vec(), bytes(shape))).collect();
        let views = stored
            .iter()
            .map(|(name, shape, bytes)| (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        let metadata = kind.map(|kind| [("kind".to_owned(), kind.to_owned())].into());
        std::fs::write(&path, safetensors::serialize(views, metadata).unwrap()).unwrap();
        let file = HeadFile::read(&path).unwrap();
        (folder, file)
    }

    fn weights(
        tensors: &[(&str, &[usize])],
        dim: usize,
        classes: Option<usize>,
    ) -> Result<HeadWeights, CacheError> {
        file(tensors, None).1.weights(dim, classes)
    }

    /// `[2, 3]`: rows 0 1 2 and 3 4 5; its transpose holds 0 2 4 and 1 3 5.
    #[test]
    fn every_spelling_of_a_head_gives_the_same_numbers() {
        let (rows, bias) = ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.0]);
        for tensors in [
            [("weight", &[2, 3][..]), ("bias", &[2][..])],
            [("fc.weight", &[2, 3]), ("fc.bias", &[2])],
            [("module.linear.weight", &[2, 3]), ("module.linear.bias", &[2])],
            [("_orig_mod.classifier.weight", &[2, 3]), ("_orig_mod.classifier.bias", &[2, 1])],
            [("strange.7.weight", &[2, 3]), ("strange.7.bias", &[1, 2])],
            [("head.weight", &[2, 3, 1, 1]), ("head.bias", &[2, 1, 1])],
        ] {
            for classes in [None, Some(2)] {
                let head = weights(&tensors, 3, classes).unwrap();
                assert_eq!((head.classes, head.dim, head.cosine), (2, 3, None), "{tensors:?}");
                assert_eq!(
                    (head.weight.as_slice(), head.bias.as_slice()),
                    (&rows[..], &bias[..]),
                    "{tensors:?}"
                );
                assert!(head.notes.is_empty(), "{:?}", head.notes);
            }
        }
        let transposed = weights(&[("weight", &[3, 2]), ("bias", &[2])], 3, None).unwrap();
        assert_eq!(
            (transposed.classes, transposed.weight.as_slice()),
            (2, &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0][..])
        );
        assert!(transposed.notes[0].contains("transposed"), "{:?}", transposed.notes);
        let square = weights(&[("weight", &[2, 2]), ("bias", &[2])], 2, None).unwrap();
        assert_eq!(square.weight, [0.0, 1.0, 2.0, 3.0]);
        assert!(square.notes[0].contains("square"), "{:?}", square.notes);
        let whole = weights(&[("conv1.weight", &[4, 3]), ("fc.weight", &[2, 3]), ("fc.bias", &[2])], 3, None);
        assert!(whole.unwrap().notes[0].contains("`fc.weight`, one of 3 tensors"));
    }

    #[test]
    fn cosine_heads_and_factors_of_the_logits_are_known_by_what_lies_beside() {
        let scaled = weights(&[("fc.weight", &[2, 3]), ("fc.sigma", &[1])], 3, None).unwrap();
        assert_eq!(scaled.cosine, Some(0.0));
        let factors = [("fc.weight", &[2, 3][..]), ("fc.bias", &[2]), ("module.learned_norm", &[1, 2])];
        let head = weights(&factors, 3, None).unwrap();
        assert_eq!(
            (head.weight.as_slice(), head.bias.as_slice()),
            (&[0.0, 0.0, 0.0, 3.0, 4.0, 5.0][..], &[0.0, 1.0][..])
        );
        assert!(head.notes[0].contains("`module.learned_norm`"));
        // With a kind of ours a `scale` is a tensor of that kind.
        let ours = file(&[("weight", &[2, 3]), ("bias", &[2]), ("scale", &[2])], Some("aligned")).1;
        assert_eq!((ours.kind(), ours.weights(3, Some(2)).unwrap().cosine), (Some("aligned"), None));
        assert_eq!(ours.vector("scale", 2).unwrap(), [0.0, 1.0]);
        assert!(ours.vector("offset", 2).is_err());
    }

    #[test]
    fn a_bias_of_another_layer_is_not_used_and_said() {
        let head = weights(&[("fc.weight", &[2, 3]), ("norm.bias", &[2])], 3, None).unwrap();
        assert_eq!(head.bias, [0.0, 0.0]);
        let last = head.notes.last().unwrap();
        assert!(
            last.starts_with("no bias in `") && last.ends_with("` belongs to `fc.weight`: the head has none")
        );
        let without = weights(&[("fc.weight", &[2, 3])], 3, None).unwrap();
        assert!(without.notes.is_empty(), "{:?}", without.notes);
    }

    #[test]
    fn what_is_no_head_is_refused_by_its_name() {
        let refused = |tensors: &[(&str, &[usize])], dim, classes| {
            let error = weights(tensors, dim, classes).unwrap_err();
            assert!(matches!(error, CacheError::MalformedHead { .. }), "{error}");
            error.to_string().split_once("`: ").unwrap().1.to_owned()
        };
        insta::assert_snapshot!(refused(&[("weight", &[2, 4])], 3, None), @"expected `weight` [C, 3], got [2, 4]");
        insta::assert_snapshot!(refused(&[("weight", &[2, 3])], 3, Some(5)), @"expected `weight` [5, 3], got [2, 3]");
        insta::assert_snapshot!(refused(&[("weight", &[3, 2])], 3, None), @"expected `weight` [C, 3], got [3, 2]");
        insta::assert_snapshot!(refused(&[("weight", &[2, 3, 3, 3])], 3, None), @"expected `weight` [C, 3], got [2, 3, 3, 3]");
        insta::assert_snapshot!(refused(&[("weight", &[6])], 3, None), @"expected `weight` [C, 3], got [6]");
        insta::assert_snapshot!(refused(&[("weight", &[2, 3]), ("bias", &[3])], 3, None), @"expected `bias` [2], got [3]");
        insta::assert_snapshot!(refused(&[("a.weight", &[2, 3]), ("b.weight", &[2, 3])], 3, None), @"expected a head: `weight` [C, D] and optionally `bias` [C], got `a.weight`, `b.weight`");
        insta::assert_snapshot!(refused(&[("fc.weight", &[2, 3]), ("head.weight", &[2, 3])], 3, None), @"expected one head, got `fc.weight`, `head.weight`");
        insta::assert_snapshot!(refused(&[("bias", &[2])], 3, None), @"expected a head: `weight` [C, D] and optionally `bias` [C], got `bias`");
        insta::assert_snapshot!(refused(&[], 3, None), @"expected a head: `weight` [C, D] and optionally `bias` [C], got no tensor");
        // 2^40 classes of nothing fill no byte, and must take none.
        insta::assert_snapshot!(refused(&[("weight", &[1 << 40, 0])], 0, None), @"expected `weight` [C, 0], got [1099511627776, 0]");
        insta::assert_snapshot!(refused(&[("weight", &[0, 3]), ("bias", &[0])], 3, None), @"expected `weight` [C, 3], got [0, 3]");
        insta::assert_snapshot!(refused(&[("weight", &[2, 3]), ("bias", &[1 << 40, 0])], 3, None), @"expected `bias` [2], got [1099511627776, 0]");
    }

    #[test]
    fn every_floating_point_format_is_read_and_other_numbers_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.safetensors");
        let numbers = [1.0_f32, -2.0, 0.5, 3.0]; // exact in every format
        let read = |dtype: Dtype, bytes: Vec<u8>| {
            let view = TensorView::new(dtype, vec![1, 4], &bytes).unwrap();
            std::fs::write(&path, safetensors::serialize([("weight", view)], None).unwrap()).unwrap();
            HeadFile::read(&path).unwrap().weights(4, None)
        };
        for (dtype, bytes) in [
            (Dtype::F64, numbers.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect::<Vec<u8>>()),
            (Dtype::F32, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
            (Dtype::F16, numbers.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()),
            (Dtype::BF16, numbers.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect()),
        ] {
            assert_eq!(read(dtype, bytes).unwrap().weight, numbers, "{dtype}");
        }
        let whole = read(Dtype::I32, vec![0; 16]).unwrap_err().to_string();
        assert!(whole.contains("expected `weight` of f64, f32, f16 or bf16, got i32"), "{whole}");
        for (number, name) in [(f64::NAN, "NaN"), (f64::NEG_INFINITY, "-inf"), (1e300, "inf")] {
            let bytes = [0.0, 0.0, number, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
            let error = read(Dtype::F64, bytes).unwrap_err().to_string();
            assert!(error.contains(&format!("expected finite numbers, got {name} in row 0")), "{error}");
        }
    }
}
