//! What a file is, by its first bytes.

use image::ImageFormat;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Tiff,
    /// A format that [`super::raster`] reads.
    Raster(ImageFormat),
    /// An image of a format that is not read.
    Unread(&'static str),
    /// Something else.
    NoImage(&'static str),
}

/// First bytes, and the kind of file that has them.
const BEGINNINGS: &[(&[u8], Kind)] = &[
    (b"\xFF\xD8\xFF", Kind::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Kind::Raster(ImageFormat::Png)),
    (b"BM", Kind::Raster(ImageFormat::Bmp)),
    (b"II*\0", Kind::Tiff),
    (b"MM\0*", Kind::Tiff),
    (b"II+\0", Kind::Unread("a BigTIFF file")),
    (b"MM\0+", Kind::Unread("a BigTIFF file")),
    (b"GIF8", Kind::Unread("a GIF file")),
    (b"\xFF\x0A", Kind::Unread("a JPEG XL file")),
    (b"\0\0\0\x0CJXL ", Kind::Unread("a JPEG XL file")),
    (b"\0\0\0\x0CjP  ", Kind::Unread("a JPEG 2000 file")),
    (b"\xFF\x4F\xFF\x51", Kind::Unread("a JPEG 2000 file")),
    (b"8BPS", Kind::Unread("a Photoshop file")),
    (b"qoif", Kind::Unread("a QOI file")),
    (b"DDS ", Kind::Unread("a DDS file")),
    (b"\x01\xDA", Kind::Unread("an SGI file")),
    (b"\0\0\x01\0", Kind::Unread("an icon (ICO)")),
    (b"v/1\x01", Kind::Unread("an OpenEXR file")),
    (b"%PDF", Kind::NoImage("a PDF file")),
    (b"PK\x03\x04", Kind::NoImage("a ZIP archive")),
    (b"\x1F\x8B", Kind::NoImage("a gzip file")),
    (b"version https://git-lfs", Kind::NoImage("a pointer of Git LFS")),
    (b"<svg", Kind::Unread("an SVG file")),
    (b"<?xml", Kind::NoImage("an XML file")),
    (b"<!DOCTYPE", Kind::NoImage("an HTML page")),
    (b"<html", Kind::NoImage("an HTML page")),
];

impl Kind {
    /// The kind of a file, `None` where it is not known.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let begins = |(beginning, kind): &(&[u8], Self)| bytes.starts_with(beginning).then_some(*kind);
        BEGINNINGS.iter().find_map(begins).or_else(|| match bytes {
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
                Some(Self::Raster(ImageFormat::WebP))
            }
            [b'P', b'1'..=b'6', b' ' | b'\t' | b'\n' | b'\r' | b'#' | 0x0B | 0x0C, ..] => {
                Some(Self::Raster(ImageFormat::Pnm))
            }
            [b'P', b'7', b'\n', ..] => Some(Self::Unread("a PAM file (P7)")),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => Some(of_brand(brand)),
            _ => None,
        })
    }
}

/// Files in ISO's container, by their brand.
fn of_brand(brand: &[u8]) -> Kind {
    match brand.get(..4) {
        Some(b"avif" | b"avis") => Kind::Unread("an AVIF file"),
        Some(b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1") => {
            Kind::Unread("an HEIC file")
        }
        _ => Kind::NoImage("a video or another file of ISO's container"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_and_magic_numbers_are_told_apart() {
        let named = |bytes: &[u8]| match Kind::of(bytes) {
            Some(Kind::Unread(name) | Kind::NoImage(name)) => name,
            kind => panic!("{bytes:?} is {kind:?}"),
        };
        assert_eq!(named(b"\0\0\0\x18ftypheic\0\0"), "an HEIC file");
        assert_eq!(named(b"\0\0\0\x18ftypavif\0\0"), "an AVIF file");
        assert_eq!(named(b"\0\0\0\x18ftypmp42\0\0"), "a video or another file of ISO's container");
        assert_eq!(named(b"GIF89a"), "a GIF file");
        assert_eq!(Kind::of(b"P6\n1 1\n255\nabc"), Some(Kind::Raster(ImageFormat::Pnm)));
        assert_eq!(Kind::of(b"P8\n1 1"), None);
    }
}
