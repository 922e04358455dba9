//! What is measured on the logits of one head: plain Rust, one pass, memory O(C).
//!
//! ```text
//! logits [n, C] chunk by chunk ─▶ Evaluation ─▶ Metrics { values: one number per METRICS entry, per_class }
//! ```
//!
//! A metric is one entry of [`METRICS`] (name, unit, direction) and one accumulator that [`Evaluation`] feeds; keys of the
//! records and columns of the tables follow from the list. Values are fractions and natural units inside; percent
//! appears only when printed.

mod accuracy;
mod calibration;
mod class_sizes;
mod distributions;
mod evaluation;
mod groups;
mod histogram;
mod hits;
mod list;
mod logits_magnitude;
mod per_class;
mod softmax;
mod values;

pub use class_sizes::ClassSizes;
pub use distributions::{Distributions, GroupHistograms, Reliability};
pub use evaluation::{Evaluation, EvaluationError, Metrics};
pub use histogram::Histogram;
pub use hits::{Hits, HitsError, PackedHits};
pub use list::{Direction, METRICS, Metric, Unit};
pub use per_class::PerClass;
pub use values::MetricValues;
