//! What numbers tell beyond chance: over seeds, over test images, over many comparisons.

mod images;
mod seeds;

pub(crate) use images::{holm, mcnemar, paired_bootstrap};
pub use seeds::Summary;
pub(crate) use seeds::{paired_t_test, pearson, spearman};
