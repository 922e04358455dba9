//! PNG, WebP, BMP and PNM, by the crate `image`.

use super::{
    Rgb, bmp, colours,
    limits::{MaxPixels, Refused, check_size},
};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// Memory of a decoder beside the pixels: tables, and what a file carries along, such as colour profiles.
const BESIDE_PIXELS: u64 = 64 << 20;
/// Bytes of the largest pixel that is read: four colours of 16 bits.
const PIXEL: u64 = 8;
/// Where a PNG file says which colours it has.
const PNG_COLOUR_TYPE: usize = 25;

/// Decodes a file of this format.
pub(super) fn decode(bytes: &[u8], format: ImageFormat, max_pixels: MaxPixels) -> Result<Rgb, Refused> {
    let name = format.extensions_str().first().copied().unwrap_or("image");
    let damaged = |error: image::ImageError| Refused::damaged(format!("a damaged {name} file ({error})"));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(max_pixels.0.saturating_mul(2 * PIXEL).saturating_add(BESIDE_PIXELS));
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height, max_pixels)?;
    if format == ImageFormat::Bmp && bmp::skips_pixels(bytes) {
        return Err(Refused::unread("a BMP file with skipped pixels, which is not read".to_owned()));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    // Which PIL takes for grey, transparency or not; grey with an alpha channel is another colour type.
    let grey_png = format == ImageFormat::Png && bytes.get(PNG_COLOUR_TYPE) == Some(&0);
    Ok(Rgb { width, height, pixels: to_rgb8(image, grey_png) })
}

fn to_rgb8(image: DynamicImage, grey_png: bool) -> Vec<u8> {
    match image {
        DynamicImage::ImageLumaA16(image) if grey_png => {
            image.pixels().flat_map(|p| colours::grey16(p[0])).collect()
        }
        DynamicImage::ImageRgb16(image) => image.into_raw().into_iter().map(colours::high).collect(),
        DynamicImage::ImageRgba16(image) => {
            image.pixels().flat_map(|p| [p[0], p[1], p[2]].map(colours::high)).collect()
        }
        DynamicImage::ImageLuma16(image) => image.pixels().flat_map(|p| colours::grey16(p[0])).collect(),
        DynamicImage::ImageLumaA16(image) => image.pixels().flat_map(|p| [colours::high(p[0]); 3]).collect(),
        other => other.into_rgb8().into_raw(),
    }
}
