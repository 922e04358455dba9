//! What numbers tell beyond chance: over seeds, over test images, over many comparisons.

mod images;
mod seeds;

pub use images::{RESAMPLES, holm, mcnemar, paired_bootstrap};
pub use seeds::{Summary, paired_t_test, pearson, spearman};
