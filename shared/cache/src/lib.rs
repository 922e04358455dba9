//! The feature cache, which `extractor` and `retrainer` must agree on: its format and nothing else.
//!
//! ```text
//! images ─▶ backbone ─▶ features ─▶ CacheWriter ─▶ [feature cache] ─▶ FeatureCache ─▶ FeatureView ─▶ heads
//!                                    (extractor)       on disk           (retrainer, memory-mapped)
//! ```
//!
//! Arrows only point right: the two programs never import each other, and nothing here knows libtorch.
//!
//! # Glossary
//!
//! - *features*: a backbone's output for one image, a row of D numbers; *view*: the features of one split under one
//!   transform ([`Split`] × [`View`]), in the same row order for every view of a split.
//! - *class counts*: training samples n_k of each class; *imbalance ratio*: max n_k / min n_k.
//! - *many / medium / few*: classes with n_k > 100, 20 ≤ n_k ≤ 100, n_k < 20 ([`Shot`]).
//! - *stage-1 head*: the linear (or cosine) classifier that was trained together with the backbone.
//! - *cache key*: the digest of everything that decided the bytes of a cache.
//! - Sizes: N samples, D features, C classes, H heads, B batch.
//!
//! # Invariants
//!
//! - A directory is a cache only once `manifest.json` is there; it is written last, by rename ([`CacheWriter`]).
//! - An open [`FeatureCache`] has been checked: headers, sizes, label ranges, equal rows in all views of a split.
//! - No input file makes this crate panic, overflow or allocate more than the file's own size.
//!
#![doc = include_str!("../FORMAT.md")]

mod classes;
mod dataset_info;
mod difference;
mod digest;
mod dtype;
pub mod error;
mod feature_file;
pub mod head;
pub mod head_file;
pub mod head_names;
mod index;
mod manifest;
mod mapped_view;
mod plan;
mod reader;
mod said;
mod seal;
mod shard;
mod stage1_head;
mod stamp;
mod steps;
pub mod synthetic;
mod unlisted;
mod version_1;
mod view;
mod writer;

pub use classes::{ClassCounts, ClassId, Shot};
pub use dataset_info::{DatasetInfo, DrawnSplits, LeftOut, Overlap, numbered};
pub use dtype::Dtype;
pub use error::CacheError;
pub use feature_file::FeatureFile;
pub use index::{index_path, indices};
pub use manifest::{
    BackboneInfo, BatchNormMode, CAUTION, FORMAT_VERSION, FileInfo, HeadKind, MANIFEST_FILE, Manifest,
    ProgramInfo, ShardInfo, ViewInfo,
};
pub use plan::ViewPlan;
pub use reader::{Damage, FeatureCache, FeatureView};
pub use said::SaidBackbone;
pub use shard::ShardWriter;
pub use stage1_head::Stage1Head;
pub use steps::{Architecture, Steps};
pub use unlisted::unlisted;
pub use view::{Split, View, ViewId};
pub use writer::{CacheRepair, CacheWriter, Dump, FinishedDump, IMAGES_FILE, ShardStore};

/// Name, version and commit of a program, for manifests and records.
///
/// Each program passes its own: `program_info("extractor", env!("CARGO_PKG_VERSION"), env!("GIT_COMMIT"))`.
pub fn program_info(name: &str, version: &str, commit: &str) -> ProgramInfo {
    ProgramInfo { name: name.to_owned(), version: version.to_owned(), commit: commit.to_owned() }
}
