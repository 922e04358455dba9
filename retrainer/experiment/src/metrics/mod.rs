//! What is measured on the logits of one head: plain Rust, one pass, memory O(C).
//!
//! ```text
//! logits [n, C] chunk by chunk ─▶ Evaluation ─▶ Metrics { values: one number per METRICS entry, per_class }
//! ```
//!
//! A metric is one file, which declares its name, unit and direction and adds up what it needs of each sample, and one line of
//! `list.rs`; [`METRICS`], keys of the records and columns of the tables follow from it. Values are fractions and natural
//! units inside; percent appears only when printed.

mod accumulator;
mod accuracy;
mod calibration;
mod class_hits;
mod class_sizes;
mod confused;
mod confusions;
mod distributions;
mod evaluation;
mod groups;
mod histogram;
mod hits;
mod list;
mod logit_histograms;
mod logits_magnitude;
mod metric;
mod per_class;
mod softmax;
#[cfg(test)]
mod testing;
mod top5;
mod values;
mod weight_norm;

#[cfg(test)]
pub(crate) use accuracy::BALANCED_ERROR;
pub use accuracy::{ClassTallies, MACRO_F1, TOP1};
pub use calibration::{ECE, NLL};
pub use class_sizes::ClassSizes;
pub use confusions::{Confusion, Confusions, ConfusionsError, PackedConfusions};
pub use distributions::{Distributions, GroupHistograms, Reliability};
pub use evaluation::{Evaluation, EvaluationError, Metrics};
pub use histogram::Histogram;
pub use hits::{Hits, HitsError, PackedHits};
pub use list::METRICS;
pub use logits_magnitude::{LOGITS_MAGNITUDE, MAGNITUDE_SPREAD};
pub use metric::{ByGroup, Direction, Metric, Unit};
pub use per_class::PerClass;
pub use top5::TOP5;
pub use values::MetricValues;
