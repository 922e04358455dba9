//! The tensors of a head, and the numbers that they are.

use super::malformed;
use crate::CacheError;
use files::text;
use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};
use std::path::Path;

/// A tensor with its name in the file.
pub type Named<'data> = (&'data str, TensorView<'data>);

/// A last layer as numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadWeights {
    /// Classes C, at least one.
    pub classes: usize,
    /// Features D, at least one.
    pub dim: usize,
    /// `[C, D]`, row-major, finite.
    pub weight: Vec<f32>,
    /// `[C]`, finite; zeros where the file has none.
    pub bias: Vec<f32>,
    /// The scale of a cosine classifier, where the tensors say that it is one: 1 where its scale is not among them.
    pub cosine: Option<f32>,
    /// What a person should know about how the file was read.
    pub notes: Vec<String>,
}

/// Where the tensors of a head are.
#[derive(Debug)]
pub struct HeadParts<'data> {
    /// The file, for messages.
    pub path: &'data Path,
    /// `[C, D]`, or `[D, C]`.
    pub weight: Named<'data>,
    /// `[C]`.
    pub bias: Option<Named<'data>>,
    /// The scale of a cosine classifier.
    pub scale: Option<Named<'data>>,
    /// `[C]`, factors of the logits.
    pub factors: Option<Named<'data>>,
    /// What a weight `[D, C]` without bias means.
    pub columns: Columns,
}

/// What a weight `[D, C]` without bias means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// The cosine classifier of LDAM-DRW (`NormedLinear`), whose classes are columns; a linear layer never stores them so.
    Cosine,
    /// A linear layer, transposed.
    Linear,
    /// One of both: refused.
    Unknown,
}

impl HeadParts<'_> {
    /// The numbers, for features of `dim` numbers and, where known, `classes` classes.
    ///
    /// # Errors
    /// [`CacheError::MalformedHead`].
    pub fn weights(&self, dim: usize, classes: Option<usize>) -> Result<HeadWeights, CacheError> {
        let transposed = self.transposed(dim, classes)?;
        let (stored, path) = (self.weight.0, text::path(self.path));
        let [rows, columns] = self.sides().unwrap_or_default();
        let (classes, mut notes) = (if transposed { columns } else { rows }, Vec::new());
        if transposed {
            notes.push(format!("`{stored}` of `{path}` is [D, C] and was transposed"));
        } else if rows == columns && self.columns == Columns::Unknown {
            notes.push(format!(
                "`{stored}` of `{path}` is square and was read as [C, D], as PyTorch stores it"
            ));
        }
        let normed = transposed && self.bias.is_none() && self.columns == Columns::Cosine;
        let mut weight = numbers(self.path, &self.weight)?;
        if transposed {
            weight = turned(&weight, columns);
        }
        let mut bias = match &self.bias {
            Some(bias) => vector(self.path, bias, classes)?,
            None => vec![0.0; classes],
        };
        if let Some(factors) = &self.factors {
            let factor = vector(self.path, factors, classes)?;
            for ((row, bias), factor) in weight.chunks_exact_mut(dim).zip(&mut bias).zip(factor) {
                for number in row {
                    *number *= factor;
                }
                *bias *= factor;
            }
            notes.push(format!("`{}` of `{path}` went into weight and bias", factors.0));
        }
        let scale = self.scale.as_ref().map(|scale| vector(self.path, scale, 1)).transpose()?;
        let scale = scale.and_then(|scale| scale.first().copied());
        let cosine = scale.or(normed.then_some(1.0));
        finite(self.path, stored, &weight, dim)?;
        Ok(HeadWeights { classes, dim, weight, bias, cosine, notes })
    }

    /// Rows and columns of the weight, whatever dimensions of one element follow them.
    fn sides(&self) -> Option<[usize; 2]> {
        let mut shape = self.weight.1.shape();
        while let [kept @ .., 1] = shape
            && kept.len() >= 2
        {
            shape = kept;
        }
        shape.try_into().ok()
    }

    /// Whether the weight is `[D, C]`, and not as PyTorch stores it.
    ///
    /// # Errors
    /// [`CacheError::MalformedHead`] where it is neither, or could be something else.
    fn transposed(&self, dim: usize, classes: Option<usize>) -> Result<bool, CacheError> {
        let (stored, tensor) = &self.weight;
        let wanted = classes.map_or("C".to_owned(), |classes| classes.to_string());
        let expected = format!("`{stored}` [{wanted}, {dim}]");
        let refuse = |hint: &str| {
            let got = format!("{:?}", tensor.shape());
            Err(malformed(self.path, &expected, got, hint))
        };
        let other = "the head belongs to another backbone or data set: give that of these features";
        let Some([rows, columns]) = self.sides() else {
            return refuse("a head is the weight of one linear layer");
        };
        let fits = |c: usize, d: usize| c > 0 && d > 0 && d == dim && classes.is_none_or(|known| known == c);
        let alone = self.bias.is_none() && self.columns == Columns::Unknown;
        match (fits(rows, columns), fits(columns, rows)) {
            (true, _) => Ok(false),
            (false, true) if alone => refuse(
                "[D, C] without bias may be a linear layer or the `NormedLinear` of LDAM: save [C, D], \
                     `weight.T.contiguous()`, and for the latter the metadata `kind`: `cosine`",
            ),
            (false, true) => Ok(true),
            (false, false) => refuse(other),
        }
    }
}

/// The transpose of a row-major matrix with this many columns.
fn turned(numbers: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| numbers.iter().skip(column).step_by(columns).copied()).collect()
}

/// The finite numbers of a tensor of `len` elements, whatever dimensions of one element surround them.
pub(super) fn vector(path: &Path, tensor: &Named<'_>, len: usize) -> Result<Vec<f32>, CacheError> {
    let (name, view) = tensor;
    let shape = view.shape();
    let long = shape.iter().filter(|&&size| size != 1).count();
    if long > 1 || shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size)) != Some(len) {
        let hint = "one number a class; the head may belong to another data set";
        return Err(malformed(path, &format!("`{name}` [{len}]"), format!("{shape:?}"), hint));
    }
    let numbers = numbers(path, tensor)?;
    finite(path, name, &numbers, 1)?;
    Ok(numbers)
}

pub(crate) fn numbers(path: &Path, (name, tensor): &Named<'_>) -> Result<Vec<f32>, CacheError> {
    let data = tensor.data();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "heads are single precision; what overflows is refused"
    )]
    let single = |bytes: &[u8; 8]| f64::from_le_bytes(*bytes) as f32;
    match tensor.dtype() {
        Dtype::F64 => Ok(data.as_chunks().0.iter().map(single).collect()),
        Dtype::F32 => Ok(data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        Dtype::F16 => {
            Ok(data.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect())
        }
        Dtype::BF16 => {
            Ok(data.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect())
        }
        other => {
            let expected = format!("`{name}` of f64, f32, f16 or bf16");
            let hint = "convert it before saving, in PyTorch: `weight.float()`";
            Err(malformed(path, &expected, other.to_string().to_lowercase(), hint))
        }
    }
}

pub(crate) fn finite(path: &Path, name: &str, numbers: &[f32], columns: usize) -> Result<(), CacheError> {
    match numbers.iter().position(|number| !number.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let got = format!(
                "{} in row {} of `{name}`",
                numbers.get(at).unwrap_or(&f32::NAN),
                at / columns.max(1)
            );
            let hint = "its training diverged, or its numbers are too large for single precision";
            Err(malformed(path, "finite numbers", got, hint))
        }
    }
}
