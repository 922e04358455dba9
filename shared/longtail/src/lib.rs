//! The plain mathematics of long-tailed data: no files, no tensors.

mod class_terms;
pub mod random;
mod schedule;
mod shape;

pub use class_terms::{effective_number_weights, ldam_margins, scaled_to_classes};
pub use schedule::cosine;
pub use shape::{LongTailShape, SHAPES, exponential_counts};
