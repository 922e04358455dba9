//! Arguments of `import`.

use super::fractions::FractionArgs;
use cache::Dtype;
use clap::Args;
use std::{num::NonZeroUsize, path::PathBuf};

/// `extractor import`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A safetensors or NumPy archive (npz) FILE has `features` [N, D] and `labels` [N], optionally `features_flipped` [N, D] and
`sample_ids` [N]; a head is safetensors with `weight` [C, D] and optionally `bias` [C], also as `fc.weight` and so on, or transposed. Labels are whole numbers
from 0 on. Single NumPy files (npy) come in pairs.

Examples:
  extractor import --train train.safetensors --test test.safetensors --head fc.safetensors --out caches/mine
  extractor import --train all.npz --test-fraction 0.2 --val-fraction 0.1 --out caches/mine
  extractor import --train-features x.npy --train-labels y.npy --test-features u.npy --test-labels v.npy \\
      --out caches/mine")]
pub struct ImportArgs {
    /// Training split
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "train_features",
        required_unless_present = "train_features"
    )]
    pub train: Option<PathBuf>,
    /// Test split
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "test_features",
        required_unless_present_any = ["test_features", "test_fraction"]
    )]
    pub test: Option<PathBuf>,
    /// Validation split
    #[arg(long, value_name = "FILE", conflicts_with = "val_features")]
    pub val: Option<PathBuf>,
    /// Stage-1 head
    #[arg(long, value_name = "FILE")]
    pub head: Option<PathBuf>,
    /// Training features, one row a sample
    #[arg(long, value_name = "NPY", requires = "train_labels", help_heading = "NumPy files")]
    pub train_features: Option<PathBuf>,
    /// Training labels, one for each row
    #[arg(long, value_name = "NPY", requires = "train_features", help_heading = "NumPy files")]
    pub train_labels: Option<PathBuf>,
    /// Training features of the mirrored images
    #[arg(long, value_name = "NPY", requires = "train_features", help_heading = "NumPy files")]
    pub train_features_flipped: Option<PathBuf>,
    /// Test features, one row a sample
    #[arg(long, value_name = "NPY", requires = "test_labels", help_heading = "NumPy files")]
    pub test_features: Option<PathBuf>,
    /// Test labels, one for each row
    #[arg(long, value_name = "NPY", requires = "test_features", help_heading = "NumPy files")]
    pub test_labels: Option<PathBuf>,
    /// Test features of the mirrored images
    #[arg(long, value_name = "NPY", requires = "test_features", help_heading = "NumPy files")]
    pub test_features_flipped: Option<PathBuf>,
    /// Validation features, one row a sample
    #[arg(long, value_name = "NPY", requires = "val_labels", help_heading = "NumPy files")]
    pub val_features: Option<PathBuf>,
    /// Validation labels, one for each row
    #[arg(long, value_name = "NPY", requires = "val_features", help_heading = "NumPy files")]
    pub val_labels: Option<PathBuf>,
    /// Validation features of the mirrored images
    #[arg(long, value_name = "NPY", requires = "val_features", help_heading = "NumPy files")]
    pub val_features_flipped: Option<PathBuf>,
    /// The splits that are drawn.
    #[command(flatten)]
    pub fractions: FractionArgs,
    /// What the manifest calls the data set
    #[arg(long, default_value = "imported")]
    pub name: String,
    /// What the manifest calls the backbone
    #[arg(long, default_value = "unknown")]
    pub backbone: String,
    /// Names of the classes, one a line or as JSON, in the order of the labels
    #[arg(long, value_name = "FILE")]
    pub class_names: Option<PathBuf>,
    /// Number format of the cache: `f32`, `f16` or `bf16` [default: that of the training features]
    #[arg(long)]
    pub dtype: Option<Dtype>,
    /// Rows of a shard [default: as many as stay below 256 MB]
    #[arg(long, value_name = "N")]
    pub shard_rows: Option<NonZeroUsize>,
    /// Folder of the feature cache
    #[arg(long, value_name = "CACHE")]
    pub out: PathBuf,
}
