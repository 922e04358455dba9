//! Bytes to 8-bit red, green and blue, whatever the file's format, colours and depth.

use super::{Rgb, jpeg};
use crate::ExtractError;
use image::DynamicImage;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// Reads and decodes an image file.
///
/// The format is told by the content. Transparency is dropped, grey is copied into the three colours, 16-bit colours keep
/// their high byte, 16-bit grey is clipped at 255 (as PIL does), and the orientation in EXIF data is ignored.
///
/// # Errors
/// [`ExtractError::NotFound`], [`ExtractError::Io`], and [`ExtractError::Malformed`] for a file that no image can be read from.
pub fn read(path: &Path) -> Result<Rgb, ExtractError> {
    let bytes = std::fs::read(path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            ExtractError::NotFound {
                path: path.to_owned(),
                expected: "an image".to_owned(),
                hint: "check `--data`; `--skip-broken` leaves such images out".to_owned(),
            }
        } else {
            ExtractError::Io { action: "read", path: path.to_owned(), source }
        }
    })?;
    decode(&bytes).map_err(|got| ExtractError::Malformed {
        path: path.to_owned(),
        expected: "an image".to_owned(),
        got,
        hint: "get the file again; `--skip-broken` leaves such images out".to_owned(),
    })
}

/// Decodes the bytes of an image file.
///
/// # Errors
/// What the bytes are instead, as the end of the sentence "expected an image, got …".
pub fn decode(bytes: &[u8]) -> Result<Rgb, String> {
    if bytes.is_empty() {
        return Err("an empty file".to_owned());
    }
    // A decoder that panics has met a damaged file that it does not know to refuse.
    catch_unwind(AssertUnwindSafe(|| {
        if bytes.starts_with(&jpeg::MAGIC) { jpeg::decode(bytes) } else { decode_other(bytes) }
    }))
    .unwrap_or_else(|_| Err("a file that its decoder gave up on".to_owned()))
    .and_then(|image| {
        let whole = image.pixels.len() == 3 * image.width * image.height && !image.pixels.is_empty();
        if whole { Ok(image) } else { Err("an image without all of its pixels".to_owned()) }
    })
}

fn decode_other(bytes: &[u8]) -> Result<Rgb, String> {
    let Ok(format) = image::guess_format(bytes) else {
        return Err("a file of another kind: JPEG, PNG, WebP, BMP and PNM are read".to_owned());
    };
    let name = format.extensions_str().first().copied().unwrap_or("image");
    // Not generic, so that its decoders are compiled once, where they are defined.
    let image = image::load_from_memory_with_format(bytes, format)
        .map_err(|error| format!("a damaged {name} file ({error})"))?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(Rgb { width, height, pixels: to_rgb8(image) })
}

fn to_rgb8(image: DynamicImage) -> Vec<u8> {
    let high = |value: u16| value.to_be_bytes()[0];
    match image {
        // PIL reads 16-bit colours by their high byte, and clips 16-bit grey where it becomes RGB.
        DynamicImage::ImageRgb16(image) => image.into_raw().into_iter().map(high).collect(),
        DynamicImage::ImageRgba16(image) => {
            image.pixels().flat_map(|p| [p[0], p[1], p[2]].map(high)).collect()
        }
        DynamicImage::ImageLuma16(image) => {
            image.pixels().flat_map(|p| [u8::try_from(p[0]).unwrap_or(u8::MAX); 3]).collect()
        }
        DynamicImage::ImageLumaA16(image) => image.pixels().flat_map(|p| [high(p[0]); 3]).collect(),
        other => other.into_rgb8().into_raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_image_is_an_error_and_no_panic() {
        for bytes in [
            &b""[..],
            b"\xFF\xD8",
            b"\xFF\xD8\xFF\xDA\xFF\xD9",
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\0\0\0\0WEBP",
            b"text",
        ] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
