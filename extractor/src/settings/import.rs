//! Settings of `import`.

use super::data;
use crate::{cli::ImportArgs, datasets::Fractions, import::split::SplitFiles};
use cache::{Dtype, Split};
use std::path::PathBuf;

/// What to import, as what, and where to.
#[derive(Clone, Debug)]
pub struct ImportRun {
    /// The files of each split that there is.
    pub files: Vec<(Split, SplitFiles)>,
    /// Safetensors file with the head.
    pub head: Option<PathBuf>,
    /// What the manifest calls the data set.
    pub name: String,
    /// What the manifest calls the backbone.
    pub backbone: String,
    /// File with the names of the classes; `None` numbers them.
    pub class_names: Option<PathBuf>,
    /// The splits that are drawn from the training rows.
    pub fractions: Fractions,
    /// Number format of the cache; `None` keeps the training features' own.
    pub dtype: Option<Dtype>,
    /// Rows of a shard; `None` keeps shards below 256 MB.
    pub shard_rows: Option<usize>,
    /// Folder of the feature cache.
    pub out: PathBuf,
}

impl From<ImportArgs> for ImportRun {
    fn from(args: ImportArgs) -> Self {
        let files = [
            (Split::Train, args.train, args.train_features, args.train_labels, args.train_features_flipped),
            (Split::Val, args.val, args.val_features, args.val_labels, args.val_features_flipped),
            (Split::Test, args.test, args.test_features, args.test_labels, args.test_features_flipped),
        ];
        let files = files.into_iter().filter_map(|(split, file, features, labels, flipped)| {
            let pair = features.zip(labels);
            let pair = pair.map(|(features, labels)| SplitFiles::Npy { features, labels, flipped });
            Some((split, file.map(SplitFiles::One).or(pair)?))
        });
        Self {
            files: files.collect(),
            head: args.head,
            name: args.name,
            backbone: args.backbone,
            class_names: args.class_names,
            fractions: data::fractions(&args.fractions),
            dtype: args.dtype,
            shard_rows: args.shard_rows.map(std::num::NonZeroUsize::get),
            out: args.out,
        }
    }
}
