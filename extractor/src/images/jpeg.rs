//! JPEG, baseline and progressive, grey, colour and CMYK.

use super::Rgb;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// The first bytes of every JPEG file.
pub(super) const MAGIC: [u8; 2] = [0xFF, 0xD8];

/// Decodes a whole file; one that ends early is an error, as it is for PIL.
///
/// CMYK is taken as Adobe writes it, inverted, and becomes red = cyan · black / 255: PIL's convention.
pub(super) fn decode(bytes: &[u8]) -> Result<Rgb, String> {
    if !is_whole(bytes) {
        return Err("a JPEG file that ends early".to_owned());
    }
    // Lenient, as libjpeg is, about what does not keep the pixels from being read.
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().map_err(|error| format!("a damaged JPEG file ({error})"))?;
    let (width, height) = decoder.dimensions().ok_or("a JPEG file without a size")?;
    Ok(Rgb { width, height, pixels })
}

/// Whether the end marker follows the image's data; one inside a thumbnail comes before them.
fn is_whole(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    let mut at = MAGIC.len();
    while let Some(&[mark, kind, high, low]) = bytes.get(at..at + 4) {
        if mark != 0xFF || kind == 0xFF || kind == 0x00 {
            at += 1; // Fill bytes between segments.
            continue;
        }
        if kind == START_OF_SCAN {
            // In the data a byte of 0xFF is followed by 0, so the marker cannot occur by chance.
            return bytes.get(at..).is_some_and(|data| data.windows(2).any(|pair| pair == END_OF_IMAGE));
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    false
}
