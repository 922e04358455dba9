//! Bytes to 8-bit red, green and blue, whatever the file's format, colours and depth.

use super::{
    Rgb, jpeg,
    kind::Kind,
    limits::{MaxPixels, Refused},
    raster, tiff,
};
use crate::ExtractError;
use files::{FileError, regular};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// Reads and decodes an image file of at most `max_pixels` pixels.
///
/// The format is told by the content. Transparency is dropped, grey is copied into the three colours, 16-bit colours keep
/// their high byte, 16-bit grey is clipped at 255 (as PIL does), and the orientation in EXIF data is ignored.
///
/// # Errors
/// [`ExtractError::NotFound`], [`ExtractError::File`], and [`ExtractError::Malformed`] for a file that no image can be read from.
pub fn read(path: &Path, max_pixels: MaxPixels) -> Result<Rgb, ExtractError> {
    let bytes = regular::read(path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            ExtractError::NotFound {
                path: path.to_owned(),
                expected: "an image".to_owned(),
                hint: "check `--data`; `--skip-broken` leaves such images out".to_owned(),
            }
        } else {
            FileError::io("read", path, source).into()
        }
    })?;
    decode_within(&bytes, max_pixels).map_err(|Refused { got, hint }| ExtractError::Malformed {
        path: path.to_owned(),
        expected: "an image".to_owned(),
        got,
        hint: format!("{hint}; `--skip-broken` leaves such images out"),
    })
}

/// Decodes the bytes of an image file of at most [`MaxPixels::default`] pixels.
///
/// # Errors
/// What the bytes are instead.
pub fn decode(bytes: &[u8]) -> Result<Rgb, Refused> {
    decode_within(bytes, MaxPixels::default())
}

/// Decodes the bytes of an image file; one that claims more than `max_pixels` pixels is refused before anything of its size is allocated.
///
/// # Errors
/// What the bytes are instead.
pub fn decode_within(bytes: &[u8], max_pixels: MaxPixels) -> Result<Rgb, Refused> {
    if bytes.is_empty() {
        return Err(Refused::damaged("an empty file".to_owned()));
    }
    // A decoder that panics has met a damaged file that it does not know to refuse.
    catch_unwind(AssertUnwindSafe(|| match Kind::of(bytes) {
        Some(Kind::Jpeg) => jpeg::decode(bytes, max_pixels),
        Some(Kind::Tiff) => tiff::decode(bytes, max_pixels),
        Some(Kind::Raster(format)) => raster::decode(bytes, format, max_pixels),
        Some(Kind::Unread(name)) => Err(Refused::unread(format!("{name}, which is not read"))),
        Some(Kind::NoImage(name)) => Err(Refused::damaged(format!("{name} and no image"))),
        None => {
            let got = "a file of another kind: JPEG, PNG, WebP, BMP, PNM and TIFF are read";
            Err(Refused::damaged(got.to_owned()))
        }
    }))
    .unwrap_or_else(|_| Err(Refused::damaged("a file that its decoder gave up on".to_owned())))
    .and_then(|image| {
        let whole = image.pixels.len() == 3 * image.width * image.height && !image.pixels.is_empty();
        if whole { Ok(image) } else { Err(Refused::damaged("an image without all of its pixels".to_owned())) }
    })
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
            b"II*\0",
            b"text",
        ] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
