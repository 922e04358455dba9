//! Image files of every layout against Pillow's pixels, as `fixtures/images/layouts/record.py` recorded them.

use extractor::images::{self, MaxPixels, Rgb};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, fmt::Write, io::Read, path::Path};

/// What Pillow makes of a file.
#[derive(Debug, Deserialize)]
struct Expected {
    name: String,
    error: Option<String>,
    #[serde(default)]
    width: usize,
    #[serde(default)]
    height: usize,
    /// Mean of the three colours in each quarter of the image.
    #[serde(default)]
    quarters: Vec<f64>,
    /// The first 8 bytes of SHA-256 of the pixels, in hexadecimal.
    digest: Option<String>,
    /// The pixels in hexadecimal, of formats whose decoders may differ by roundings.
    pixels: Option<String>,
}

fn recorded() -> (Vec<Expected>, HashMap<String, Vec<u8>>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/images/layouts/layouts.tar.zst");
    let mut decoder = zstd::Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut archive = tar::Archive::new(decoder);
    let mut files: HashMap<String, Vec<u8>> = HashMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    let lines = String::from_utf8(files.remove("expected.jsonl").unwrap()).unwrap();
    (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), files)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What is wrong with an image: nothing, where it has Pillow's bytes, or differs by less than 1/255 in the mean where
/// decoders may round.
fn difference(image: &Rgb, expected: &Expected) -> Option<String> {
    if (image.width, image.height) != (expected.width, expected.height) {
        return Some(format!("{} × {}", image.width, image.height));
    }
    if let Some(digest) = &expected.digest {
        let same = hex(&Sha256::digest(&image.pixels)[..8]) == *digest;
        return (!same).then(|| format!("quarters {:?}, not {:?}", quarters(image), expected.quarters));
    }
    let hex = expected.pixels.as_deref().unwrap();
    let pixels: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    assert_eq!(pixels.len(), image.pixels.len());
    let sum: u64 = image.pixels.iter().zip(&pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = sum as f64 / pixels.len() as f64;
    (mean >= 1.0).then(|| format!("{mean:.2} of 255 in the mean"))
}

fn quarters(image: &Rgb) -> Vec<f64> {
    // The line in the middle of an odd number belongs to both halves, so that none is empty.
    let halves = |n: usize| [0..n.div_ceil(2), n / 2..n];
    let mut means = Vec::new();
    for rows in halves(image.height) {
        for columns in halves(image.width) {
            let row = |y: usize| &image.pixels[3 * (y * image.width + columns.start)..][..3 * columns.len()];
            let sum: u64 = rows.clone().flat_map(row).map(|&value| u64::from(value)).sum();
            means.push((10.0 * sum as f64 / (3 * rows.len() * columns.len()) as f64).round() / 10.0);
        }
    }
    means
}

/// Digits stand for any number, so that a family of files is one line.
fn family(name: &str) -> String {
    let mut family = String::new();
    for part in name.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_start_matches(|c: char| c.is_ascii_digit());
        family.push_str(if digits.len() < part.len() { "#" } else { "" });
        family.push_str(digits);
    }
    family
}

/// Pillow's pixels or an error, and errors only where they are listed here.
#[test]
fn every_layout_has_pillows_pixels_or_is_refused() {
    let (expected, files) = recorded();
    assert_eq!(expected.len(), files.len());
    let (mut wrong, mut refused, mut alone, mut equal) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for expected in &expected {
        match (images::decode(&files[&expected.name]), &expected.error) {
            (Ok(image), None) => match difference(&image, expected) {
                None => equal += 1,
                Some(difference) => wrong.push(format!("{}: {difference}", expected.name)),
            },
            (Ok(_), Some(_)) => alone.push(family(&expected.name)),
            (Err(error), None) => refused.push(format!("{}: {}", family(&expected.name), family(&error.got))),
            (Err(_), Some(_)) => {}
        }
    }
    for list in [&mut refused, &mut alone] {
        list.sort();
        list.dedup();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(equal > 1300, "{equal}");
    insta::assert_snapshot!(refused.join("\n"), @"
    bmp/#-header-#-#x#: a damaged bmp file (The decoder for Bmp does not support the format features Unknown bitmap header type (size=#))
    jpeg/colours/ids-same-apart: a JPEG file with two components of one name
    jpeg/colours/ids-same-successive: a JPEG file with two components of one name
    jpeg/colours/ids-twice-apart: a JPEG file with two components of one name
    jpeg/colours/ids-twice-successive: a JPEG file with two components of one name
    jpeg/odd/cut-with-end-marker-#: a JPEG file that ends early
    jpeg/odd/progressive-cut-with-end-marker: a JPEG file that ends early
    png/without-end: a damaged png file (unexpected end of file)
    refused/avif: an AVIF file, which is not read
    refused/dds: a DDS file, which is not read
    refused/gif: a GIF file, which is not read
    refused/ico: an icon (ICO), which is not read
    refused/jpeg#: a JPEG # file, which is not read
    refused/pcx: a file of another kind: JPEG, PNG, WebP, BMP, PNM and TIFF are read
    refused/qoi: a QOI file, which is not read
    refused/sgi: an SGI file, which is not read
    refused/tga: a file of another kind: JPEG, PNG, WebP, BMP, PNM and TIFF are read
    tiff/#-group#: a TIFF file compressed as a fax, which is not read
    tiff/cmyk-jpeg: a TIFF file with JPEG inside, which is not read
    tiff/f-packbits: a TIFF file of signed or floating-point numbers, which is not read
    tiff/f-raw: a TIFF file of signed or floating-point numbers, which is not read
    tiff/f-tiff_adobe_deflate: a TIFF file of signed or floating-point numbers, which is not read
    tiff/f-tiff_lzw: a TIFF file of signed or floating-point numbers, which is not read
    tiff/fill-order-big: a TIFF file with bits in reversed order, which is not read
    tiff/fill-order-little: a TIFF file with bits in reversed order, which is not read
    tiff/grey-format-#-#-big: a TIFF file of signed or floating-point numbers, which is not read
    tiff/grey-format-#-#-little: a TIFF file of signed or floating-point numbers, which is not read
    tiff/i-packbits: a TIFF file of signed or floating-point numbers, which is not read
    tiff/i-raw: a TIFF file of signed or floating-point numbers, which is not read
    tiff/i-tiff_adobe_deflate: a TIFF file of signed or floating-point numbers, which is not read
    tiff/i-tiff_lzw: a TIFF file of signed or floating-point numbers, which is not read
    tiff/l-jpeg: a TIFF file with JPEG inside, which is not read
    tiff/lab-packbits: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    tiff/lab-raw: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    tiff/lab-tiff_adobe_deflate: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    tiff/lab-tiff_lzw: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    tiff/orientation-#: a TIFF file that is turned or mirrored by a tag, which is not read
    tiff/rgb-extra-#-big: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    tiff/rgb-extra-#-little: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    tiff/rgb-jpeg: a TIFF file with JPEG inside, which is not read
    tiff/rgb-zstd: a TIFF file of compression #, which is not read
    tiff/ycbcr-packbits: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    tiff/ycbcr-raw: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    tiff/ycbcr-tiff_adobe_deflate: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    tiff/ycbcr-tiff_lzw: a TIFF file of # samples of # bits in photometric interpretation #, which is not read
    ");
    // Pillow refuses these, by mistakes or on purpose; nothing can be compared.
    insta::assert_snapshot!(alone.join("\n"), @"
    bmp/#-masks-rgba-header-#-#x#
    pnm/p#-too-large
    tiff/grey-#-photometric-#-big
    tiff/grey-#-small-photometric-#-big
    ");
}

/// A file of a few bytes that claims `side` × `side` pixels, in each format.
fn claims(side: u32) -> Vec<(&'static str, Vec<u8>)> {
    let (big, little) = (side.to_be_bytes(), side.to_le_bytes());
    let jpeg = |sof: u8| {
        let frame = [&[0xFF, sof, 0, 11, 8][..], &big[2..], &big[2..], &[1, 1, 0x11, 0]].concat();
        let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0xFF, 0xD9];
        [&[0xFF, 0xD8][..], &frame, &scan].concat()
    };
    let header = [&b"IHDR"[..], &big, &big, &[8, 2, 0, 0, 0]].concat();
    let png =
        [&b"\x89PNG\r\n\x1a\n\0\0\0\x0D"[..], &header, &crc32(&header).to_be_bytes(), b"\0\0\0\x08IDAT"]
            .concat();
    let bmp_info = [&40_u32.to_le_bytes()[..], &little, &little, &[1, 0, 24, 0], &[0; 24]].concat();
    let bmp = [&b"BM"[..], &[0; 8], &54_u32.to_le_bytes(), &bmp_info].concat();
    let less = (side - 1).to_le_bytes();
    let vp8x = [&b"VP8X\x0A\0\0\0\0\0\0\0"[..], &less[..3], &less[..3]].concat();
    let webp = [&b"RIFF\x2A\0\0\0WEBP"[..], &vp8x, b"VP8L\x0C\0\0\0\x2F\0\0\0\0\0\0\0\0\0\0\0"].concat();
    let tag = |tag: u16, kind: u16, value: [u8; 4]| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1_u32.to_le_bytes(), &value].concat()
    };
    let short = |value: u16| u32::from(value).to_le_bytes();
    let tags = [
        tag(256, 4, little),
        tag(257, 4, little),
        tag(258, 3, short(8)),
        tag(259, 3, short(1)),
        tag(262, 3, short(1)),
        tag(273, 4, short(8)),
        tag(277, 3, short(1)),
        tag(278, 4, little),
        tag(279, 4, short(8)),
    ];
    let tiff = [&b"II*\0\x08\0\0\0\x09\0"[..], &tags.concat(), &[0; 4]].concat();
    vec![
        ("baseline JPEG", jpeg(0xC0)),
        ("progressive JPEG", jpeg(0xC2)),
        ("PNG", png),
        ("BMP", bmp),
        ("WebP", webp),
        ("TIFF", tiff),
        ("PPM", format!("P6\n{side} {side}\n255\n").into_bytes()),
        ("PBM", format!("P1\n{side} {side}\n").into_bytes()),
    ]
}

/// The checksum of PNG's chunks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}

/// Before anything of that size is allocated: all of them together would take 100 GB.
#[test]
fn a_few_bytes_that_claim_many_pixels_are_refused_in_every_format() {
    for (side, limit) in
        [(65_000_u32, MaxPixels::default()), (13_378, MaxPixels::default()), (200, MaxPixels(39_999))]
    {
        for (format, bytes) in claims(side) {
            // WebP's own limit is a side of 16,384 pixels.
            if format == "WebP" && side > 16_384 {
                assert!(images::decode_within(&bytes, limit).is_err());
                continue;
            }
            let refused = images::decode_within(&bytes, limit).unwrap_err();
            let expected = format!("a file that claims {side} × {side} pixels, more than {limit}");
            assert_eq!(refused.got, expected, "{format}");
            assert_eq!(refused.hint, "`--max-pixels` sets the limit");
        }
    }
}
