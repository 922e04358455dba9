//! TIFF as Pillow and libtiff read it: the first page, grey, colours, palettes and CMYK of 8 and 16 bits, grey and palettes of fewer.

use super::{
    Rgb, colours,
    limits::{MaxPixels, Refused, check_size, zeros},
};
use std::io::Cursor;
use tiff::{
    TiffError,
    decoder::{Decoder, DecodingResult, Limits},
    tags::Tag,
};

/// Bytes of tags and tables that a file may have.
const TAG_BYTES: usize = 16 << 20;
/// Bytes of the largest pixel that is read: four samples of 16 bits.
const PIXEL: u64 = 8;

type Reader<'bytes> = Decoder<Cursor<&'bytes [u8]>>;

/// What the tags say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    width: usize,
    height: usize,
    bits: usize,
    samples: usize,
    colours: Colours,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Colours {
    Grey {
        white_is_zero: bool,
    },
    Rgb,
    Cmyk,
    /// Red, then green, then blue of each index.
    Palette(Vec<u16>),
}

/// Samples as they are stored, unpacked from strips, tiles and compression, in the processor's byte order.
struct Samples {
    bytes: Vec<u8>,
    row_stride: usize,
    /// Where each sample of a pixel has a plane of its own.
    plane_stride: Option<usize>,
    bits: usize,
    /// Of a pixel.
    channels: usize,
}

/// Decodes the first page.
pub(super) fn decode(bytes: &[u8], max_pixels: MaxPixels) -> Result<Rgb, Refused> {
    let layout = layout(&mut open(bytes, max_pixels)?, max_pixels)?;
    // The crate knows few colours. What it reads as grey it leaves as it is.
    let grey = as_grey(bytes).ok_or_else(|| unread("without colours"))?;
    let samples = samples(&mut open(&grey, max_pixels)?, &layout)?;
    let mut pixels = zeros(3 * layout.width * layout.height)?;
    for (y, row) in pixels.chunks_exact_mut(3 * layout.width).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(&layout.rgb(|sample| samples.get(sample, x, y)));
        }
    }
    Ok(Rgb { width: layout.width, height: layout.height, pixels })
}

fn open(bytes: &[u8], max_pixels: MaxPixels) -> Result<Reader<'_>, Refused> {
    let most = usize::try_from(max_pixels.0.saturating_mul(PIXEL)).unwrap_or(usize::MAX);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = most;
    limits.intermediate_buffer_size = most;
    limits.ifd_value_size = TAG_BYTES;
    Ok(Decoder::new(Cursor::new(bytes)).map_err(damaged)?.with_limits(limits))
}

/// Reads the tags; layouts that Pillow reads in another way, or that were not tried, are refused.
fn layout(reader: &mut Reader, max_pixels: MaxPixels) -> Result<Layout, Refused> {
    let (width, height) = reader.dimensions().map_err(damaged)?;
    let (width, height) = (width as usize, height as usize);
    check_size(width, height, max_pixels)?;
    let mut list =
        |tag| reader.find_tag_unsigned_vec::<u16>(tag).map(Option::unwrap_or_default).map_err(damaged);
    let (bits, formats, extra) =
        (list(Tag::BitsPerSample)?, list(Tag::SampleFormat)?, list(Tag::ExtraSamples)?);
    let mut number =
        |tag, default| reader.find_tag_unsigned::<u16>(tag).map(|n| n.unwrap_or(default)).map_err(damaged);
    let samples = usize::from(number(Tag::SamplesPerPixel, 1)?);
    let compression = number(Tag::Compression, 1)?;
    if number(Tag::FillOrder, 1)? != 1 {
        return Err(unread("with bits in reversed order"));
    }
    if number(Tag::Orientation, 1)? != 1 {
        return Err(unread("that is turned or mirrored by a tag"));
    }
    let photometric = number(Tag::PhotometricInterpretation, u16::MAX)?;
    match compression {
        1 | 5 | 8 | 32773 | 32946 => {}
        6 | 7 => return Err(unread("with JPEG inside")),
        2..=4 => return Err(unread("compressed as a fax")),
        other => return Err(unread(&format!("of compression {other}"))),
    }
    if formats.iter().any(|&format| format != 1) {
        return Err(unread("of signed or floating-point numbers"));
    }
    let depth = bits.first().copied().unwrap_or(1);
    if bits.iter().any(|&bits| bits != depth) {
        return Err(unread("with samples of several depths"));
    }
    let colours = match (photometric, samples, depth) {
        (0 | 1, 1, 1 | 2 | 4 | 8 | 16) | (0 | 1, 2, 8) => Colours::Grey { white_is_zero: photometric == 0 },
        (2, 3 | 4, 8 | 16) if extra != [1] => Colours::Rgb,
        (3, 1, 1 | 2 | 4 | 8) => {
            let table =
                reader.find_tag_unsigned_vec::<u16>(Tag::ColorMap).map_err(damaged)?.unwrap_or_default();
            if table.len() != 3 << depth {
                return Err(Refused::damaged(format!(
                    "a TIFF file with {} numbers in its palette, not {}",
                    table.len(),
                    3 << depth
                )));
            }
            Colours::Palette(table)
        }
        (5, 4, 8 | 16) => Colours::Cmyk,
        _ => {
            return Err(unread(&format!(
                "of {samples} samples of {depth} bits in photometric interpretation {photometric}"
            )));
        }
    };
    Ok(Layout { width, height, bits: usize::from(depth), samples, colours })
}

impl Layout {
    /// A pixel of samples as they are stored.
    fn rgb(&self, sample: impl Fn(usize) -> u16) -> [u8; 3] {
        // Of 16 bits the high byte; of fewer than 8 the whole range.
        let byte = |sample: u16| match self.bits {
            16 => colours::high(sample),
            bits => u8::try_from(usize::from(sample) * 255 / ((1 << bits) - 1)).unwrap_or(u8::MAX),
        };
        match &self.colours {
            Colours::Grey { white_is_zero: true } if self.bits <= 8 => [255 - byte(sample(0)); 3],
            Colours::Grey { .. } if self.bits <= 8 => [byte(sample(0)); 3],
            Colours::Grey { .. } => colours::grey16(sample(0)),
            Colours::Rgb => [0, 1, 2].map(|c| byte(sample(c))),
            Colours::Cmyk => colours::cmyk([0, 1, 2, 3].map(|c| byte(sample(c)))),
            Colours::Palette(table) => {
                let index = usize::from(sample(0));
                [0, 1, 2]
                    .map(|c| table.get((c << self.bits) + index).map_or(0, |&colour| colours::high(colour)))
            }
        }
    }
}

impl Samples {
    /// A sample of a pixel; 0 outside of the image.
    fn get(&self, sample: usize, x: usize, y: usize) -> u16 {
        let (plane, column) = match self.plane_stride {
            Some(stride) => (sample * stride, x),
            None => (0, x * self.channels + sample),
        };
        let row = self.bytes.get(plane + y * self.row_stride..).unwrap_or_default();
        let at = |index: usize| row.get(index).copied().unwrap_or_default();
        match self.bits {
            16 => u16::from_ne_bytes([at(2 * column), at(2 * column + 1)]),
            bits => {
                let bit = column * bits;
                u16::from(at(bit / 8) >> (8 - bits - bit % 8)) & ((1 << bits) - 1)
            }
        }
    }
}

fn samples(reader: &mut Reader, layout: &Layout) -> Result<Samples, Refused> {
    let mut result = DecodingResult::U8(Vec::new());
    let stored = reader.read_image_to_buffer(&mut result).map_err(damaged)?;
    let bytes = result.as_buffer(0).as_bytes().to_vec();
    let stride = |stride: Option<std::num::NonZeroUsize>| stride.map_or(0, std::num::NonZeroUsize::get);
    let (row_stride, plane_stride) = (stride(stored.row_stride), stride(stored.plane_stride));
    let planes = if stored.planes > 1 { layout.samples } else { 1 };
    let row = (layout.width * layout.bits * layout.samples / planes).div_ceil(8);
    if row_stride < row || plane_stride < row_stride * layout.height || bytes.len() < planes * plane_stride {
        return Err(Refused::damaged("a TIFF file without all of its pixels".to_owned()));
    }
    Ok(Samples {
        bytes,
        row_stride,
        plane_stride: (planes > 1).then_some(plane_stride),
        bits: layout.bits,
        channels: layout.samples,
    })
}

/// The file with other words for its colours: black is zero.
fn as_grey(bytes: &[u8]) -> Option<Vec<u8>> {
    const PHOTOMETRIC: u16 = 262;
    const BLACK_IS_ZERO: u16 = 1;
    let little = bytes.starts_with(b"II");
    let short = |bytes: &[u8]| {
        let bytes = bytes.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |bytes: &[u8]| {
        let bytes = bytes.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let first = usize::try_from(long(bytes.get(4..8)?)?).ok()?;
    let entries = usize::from(short(bytes.get(first..first.checked_add(2)?)?)?);
    let entry = (0..entries)
        .map(|entry| first + 2 + 12 * entry)
        .find(|&at| bytes.get(at..at + 2).and_then(&short) == Some(PHOTOMETRIC))?;
    let mut bytes = bytes.to_vec();
    let value = if little { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
    bytes.get_mut(entry + 8..entry + 10)?.copy_from_slice(&value);
    Some(bytes)
}

fn damaged(error: TiffError) -> Refused {
    match error {
        TiffError::UnsupportedError(error) => {
            Refused::unread(format!("a TIFF file of a kind that is not read ({error})"))
        }
        error => Refused::damaged(format!("a damaged TIFF file ({error})")),
    }
}

fn unread(what: &str) -> Refused {
    Refused::unread(format!("a TIFF file {what}, which is not read"))
}
