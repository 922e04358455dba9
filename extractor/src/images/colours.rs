//! Conversions to red, green and blue as PIL's `convert("RGB")` makes them.

/// Cyan, magenta, yellow and black of a pixel: `red = clip(255 − black − cyan · (255 − black) / 255)`, as PIL rounds it.
pub(super) fn cmyk([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let light = u32::from(255 - black);
    [cyan, magenta, yellow].map(|ink| {
        // PIL's MULDIV255: a · b / 255, rounded.
        let product = u32::from(ink) * light + 128;
        let taken = ((product >> 8) + product) >> 8;
        u8::try_from(light.saturating_sub(taken)).unwrap_or(u8::MAX)
    })
}

/// 16-bit grey, which PIL clips where it becomes 8-bit.
pub(super) fn grey16(value: u16) -> [u8; 3] {
    [u8::try_from(value).unwrap_or(u8::MAX); 3]
}

/// A 16-bit colour, of which PIL keeps the high byte.
pub(super) fn high(value: u16) -> u8 {
    value.to_be_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python: `Image.new("CMYK", (1, 1), inks).convert("RGB").getpixel((0, 0))`.
    #[test]
    fn inks_become_the_colours_of_pillow() {
        assert_eq!(cmyk([0, 0, 0, 0]), [255, 255, 255]);
        assert_eq!(cmyk([255, 128, 1, 0]), [0, 127, 254]);
        assert_eq!(cmyk([10, 200, 90, 77]), [171, 38, 115]);
        assert_eq!(cmyk([1, 2, 3, 255]), [0, 0, 0]);
    }
}
