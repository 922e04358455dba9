//! Arguments of `synthesise`.

use cache::Dtype;
use clap::Args;
use std::path::PathBuf;

/// `extractor synthesise`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The features are class means and noise: they say how fast and in how much memory a sweep runs, and nothing about methods.
Shapes with a name have the classes, features and exact number of training samples of the published sets:
cifar100-lt (10,847 x 512), imagenet-lt (115,846 x 2048) and inaturalist18 (437,513 x 2048). Other sizes
follow n_k = max (min/max)^(k/(C-1)), as CIFAR-100-LT does.

Examples:
  extractor synthesise --shape imagenet-lt --out caches/imagenet-size
  extractor synthesise --classes 100 --max 500 --min 5 --dim 64 --val-per-class 10 --out caches/small")]
pub struct SynthesiseArgs {
    /// Sizes with a name: `cifar100-lt`, `imagenet-lt` or `inaturalist18`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["classes", "max", "min"], required_unless_present = "classes")]
    pub shape: Option<String>,
    /// Classes C
    #[arg(long, value_name = "C", requires_all = ["max", "min", "dim"], value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub classes: Option<u32>,
    /// Training samples of the largest class
    #[arg(long, value_name = "N", requires = "classes", value_parser = clap::value_parser!(u32).range(1..))]
    pub max: Option<u32>,
    /// Training samples of the smallest class
    #[arg(long, value_name = "N", requires = "classes", value_parser = clap::value_parser!(u32).range(1..))]
    pub min: Option<u32>,
    /// Features D [default: the shape's]
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..))]
    pub dim: Option<u32>,
    /// Validation samples of each class [default: the shape's, or 0]
    #[arg(long, value_name = "N")]
    pub val_per_class: Option<u32>,
    /// Test samples of each class [default: the shape's, or 20]
    #[arg(long, value_name = "N")]
    pub test_per_class: Option<u32>,
    /// Number format of the features: `f32`, `f16` or `bf16`
    #[arg(long, default_value_t = Dtype::F16)]
    pub dtype: Dtype,
    /// Seed of the class means and the noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Folder of the feature cache
    #[arg(long, value_name = "CACHE")]
    pub out: PathBuf,
}
