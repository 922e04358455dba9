//! Image files as PIL's `Image.open(file).convert("RGB")` reads them: what torchvision's default loader gives.
//!
//! JPEG goes to libjpeg-turbo, the decoder of PIL and torchvision; the other formats to decoders in Rust, each checked against
//! Pillow over every layout that it has (`fixtures/images/layouts`). What would come out differently is an error.

mod bmp;
mod colours;
mod decode;
mod jpeg;
mod kind;
mod limits;
mod raster;
mod tiff;

pub use decode::{decode, decode_within, read};
pub use limits::{MaxPixels, Refused};

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
