//! Compressed BMP files (RLE) that leave pixels out, of which every program makes its own picture.

const RLE8: u32 = 1;
const RLE4: u32 = 2;

/// Whether a BMP file with run lengths skips pixels: by an escape "delta", or by rows or an image that end early.
///
/// Decoders fill them with black or with the first colour of the palette, or shift what follows. Damage is the decoder's to find.
pub(super) fn skips_pixels(bytes: &[u8]) -> bool {
    scan(bytes).unwrap_or(false)
}

fn scan(bytes: &[u8]) -> Option<bool> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let compression = number(30)?;
    // Older headers end before it.
    if number(14)? < 40 || ![RLE8, RLE4].contains(&compression) {
        return Some(false);
    }
    let width = number(18)?;
    let height = number(22)?.cast_signed().unsigned_abs();
    let mut codes = bytes.get(usize::try_from(number(10)?).ok()?..)?;
    let (mut column, mut row) = (0_u32, 0_u32);
    while let [first, second, rest @ ..] = codes {
        codes = rest;
        match (first, second) {
            (0, 0) if column < width => return Some(true),
            (0, 0) => (column, row) = (0, row + 1),
            (0, 1) => return Some(row + u32::from(column >= width) < height),
            (0, 2) => return Some(true),
            (0, &length) => {
                let length = usize::from(length);
                let stored = if compression == RLE4 { length.div_ceil(2) } else { length };
                codes = codes.get(stored.next_multiple_of(2)..)?;
                column = column.saturating_add(u32::from(*second));
            }
            (&length, _) => column = column.saturating_add(u32::from(length)),
        }
        if row >= height {
            break;
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::super::decode;

    /// A BMP file of 3 × 2 pixels and 8 bits, with red, green and blue.
    fn rle8(codes: &[u8]) -> Vec<u8> {
        let palette = [[0, 0, 255, 0], [0, 255, 0, 0], [255, 0, 0, 0]].concat();
        let offset = 54 + palette.len();
        let mut file = b"BM".to_vec();
        for number in [offset + codes.len(), 0, offset, 40, 3, 2] {
            file.extend(u32::try_from(number).unwrap().to_le_bytes());
        }
        file.extend([1, 0, 8, 0]);
        for number in [1, codes.len(), 0, 0, 3, 0] {
            file.extend(u32::try_from(number).unwrap().to_le_bytes());
        }
        [file, palette, codes.to_vec()].concat()
    }

    #[test]
    fn run_lengths_without_some_of_the_pixels_are_refused_by_name() {
        let whole = decode(&rle8(&[3, 1, 0, 0, 0, 3, 0, 1, 2, 0, 0, 1])).unwrap();
        let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
        assert_eq!(whole.pixels, [red, green, blue, green, green, green].concat());
        let all = whole.pixels;
        assert_eq!(decode(&rle8(&[3, 1, 0, 0, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1])).unwrap().pixels, all);
        for codes in [
            &[1, 1, 0, 2, 1, 0, 1, 1, 0, 0, 3, 1, 0, 1][..],
            &[1, 1, 0, 2, 0, 1, 2, 1, 0, 1],
            &[2, 1, 0, 0, 3, 1, 0, 1],
            &[3, 1, 0, 0, 2, 1, 0, 1],
            &[3, 1, 0, 0, 0, 1],
        ] {
            let refused = decode(&rle8(codes)).unwrap_err();
            assert_eq!(refused.got, "a BMP file with skipped pixels, which is not read", "{codes:?}");
        }
    }
}
