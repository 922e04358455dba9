//! The plain mathematics of long-tailed data: no files, no tensors.

pub mod random;
mod shape;

pub use shape::{LongTailShape, SHAPES, exponential_counts};
