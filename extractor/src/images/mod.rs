//! Image files as PIL's `Image.open(file).convert("RGB")` reads them: what torchvision's default loader gives.

mod decode;
mod jpeg;

pub use decode::{decode, read};

/// An 8-bit image in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixels `[height, width, 3]`, row-major.
    pub pixels: Vec<u8>,
}
