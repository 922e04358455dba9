//! The files of one split, read and checked against each other.

use super::{
    formats::{NamedArrays, npy},
    matrix::{Array, Matrix, integers, labels},
};
use crate::error::ExtractError;
use cache::{ClassId, View};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// The files that hold one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitFiles {
    /// One file of named arrays.
    One(PathBuf),
    /// NumPy files of one array each.
    Npy {
        /// Features `[N, D]`.
        features: PathBuf,
        /// Labels `[N]`.
        labels: PathBuf,
        /// Features of the mirrored images `[N, D]`.
        flipped: Option<PathBuf>,
    },
}

impl SplitFiles {
    /// Reads them.
    ///
    /// # Errors
    /// Those of [`ImportedSplit::from_file`] and [`ImportedSplit::from_npy`].
    pub fn read(&self) -> Result<ImportedSplit, ExtractError> {
        match self {
            Self::One(path) => ImportedSplit::from_file(path),
            Self::Npy { features, labels, flipped } => {
                ImportedSplit::from_npy(features, labels, flipped.as_deref())
            }
        }
    }
}

/// Features, labels and ids of one split.
#[derive(Clone, Debug)]
pub struct ImportedSplit {
    /// Features of the clean view `[N, D]`.
    pub features: Matrix,
    /// Features of the flipped view `[N, D]`, where given.
    pub flipped: Option<Matrix>,
    /// Class of each row `[N]`.
    pub labels: Vec<ClassId>,
    /// The file that the labels came from.
    pub labels_path: PathBuf,
    /// Row in the source set of each row `[N]`: as given, or counted from 0.
    pub sample_ids: Vec<i64>,
    /// BLAKE3 over the files' bytes.
    pub digest: String,
}

impl ImportedSplit {
    /// Reads a file with arrays `features` `[N, D]`, `labels` `[N]`, optionally `features_flipped` `[N, D]` and `sample_ids`
    /// `[N]`.
    ///
    /// # Errors
    /// [`ExtractError::File`]; [`ExtractError::Malformed`] for anything but such a file.
    pub fn from_file(path: &Path) -> Result<Self, ExtractError> {
        let file = NamedArrays::read(path)?;
        let (features, labels) = (file.required("features")?, file.required("labels")?);
        let flipped = file.array("features_flipped")?.map(|array| (path, array));
        let ids = file.array("sample_ids")?;
        Self::checked((path, features), (path, labels), flipped, ids, file.digest())
    }

    /// Reads NumPy files: features `[N, D]`, labels `[N]`, optionally the flipped view's features `[N, D]`.
    ///
    /// # Errors
    /// [`ExtractError::File`]; [`ExtractError::Malformed`] for anything but such files.
    pub fn from_npy(features: &Path, labels: &Path, flipped: Option<&Path>) -> Result<Self, ExtractError> {
        let mut digest = blake3::Hasher::new();
        let mut read = |path| {
            let bytes = files::regular::read(path).map_err(ExtractError::io("read", path))?;
            digest.update(&bytes);
            Ok::<_, ExtractError>((path, npy::array(path, bytes)?))
        };
        let (features, labels) = (read(features)?, read(labels)?);
        let flipped = flipped.map(read).transpose()?;
        Self::checked(features, labels, flipped, None, digest.finalize().to_hex().to_string())
    }

    fn checked(
        (features_path, features): (&Path, Array),
        (labels_path, label_array): (&Path, Array),
        flipped: Option<(&Path, Array)>,
        ids: Option<Array>,
        digest: String,
    ) -> Result<Self, ExtractError> {
        let features = Matrix::new(features_path, "features", features)?;
        let flipped =
            flipped.map(|(path, array)| Matrix::new(path, "features_flipped", array)).transpose()?;
        let labels = labels(labels_path, &label_array)?;
        let sample_ids = match ids {
            Some(array) => integers(features_path, "`sample_ids`", &array)?,
            None => (0_i64..).take(labels.len()).collect(),
        };
        let rows = features.rows();
        let lengths = [
            (labels_path, "labels", labels.len()),
            (features_path, "sample ids", sample_ids.len()),
            (
                flipped.as_ref().map_or(features_path, Matrix::path),
                "flipped rows",
                flipped.as_ref().map_or(rows, Matrix::rows),
            ),
        ];
        for (path, name, got) in lengths {
            if got != rows {
                return Err(ExtractError::Malformed {
                    path: path.to_owned(),
                    expected: format!("{rows} {name}, one for each row of features"),
                    got: got.to_string(),
                    hint: "save features and labels of the same samples, in the same order".to_owned(),
                });
            }
        }
        refuse_repeated(features_path, &sample_ids)?;
        Ok(Self { features, flipped, labels, labels_path: labels_path.to_owned(), sample_ids, digest })
    }

    /// The samples of these rows, in this order; rows outside are left out.
    pub(super) fn take(&self, rows: &[u32]) -> Self {
        let rows_of = || rows.iter().map(|&row| row as usize);
        Self {
            features: self.features.take(rows),
            flipped: self.flipped.as_ref().map(|flipped| flipped.take(rows)),
            labels: rows_of().filter_map(|row| self.labels.get(row).copied()).collect(),
            labels_path: self.labels_path.clone(),
            sample_ids: rows_of().filter_map(|row| self.sample_ids.get(row).copied()).collect(),
            digest: self.digest.clone(),
        }
    }

    /// The views that this split has.
    pub fn views(&self) -> impl Iterator<Item = (View, &Matrix)> {
        std::iter::once((View::Clean, &self.features))
            .chain(self.flipped.iter().map(|matrix| (View::Flipped, matrix)))
    }
}

/// Refuses ids that two rows share: each row is a sample of its own.
fn refuse_repeated(path: &Path, sample_ids: &[i64]) -> Result<(), ExtractError> {
    let mut rows = HashMap::with_capacity(sample_ids.len());
    for (row, id) in sample_ids.iter().enumerate() {
        if let Some(first) = rows.insert(id, row) {
            return Err(ExtractError::Malformed {
                path: path.to_owned(),
                expected: "`sample_ids` that differ from row to row".to_owned(),
                got: format!("{id} in rows {first} and {row}"),
                hint: "save each sample once, or leave `sample_ids` out to number the rows".to_owned(),
            });
        }
    }
    Ok(())
}
