//! What an image file may ask for, and how one is refused.

use std::{fmt, num::ParseIntError, str::FromStr};

/// Pixels that a file may declare: by default PIL's limit, beyond which it takes an image for an attack (twice 1 GiB / 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPixels(pub u64);

impl Default for MaxPixels {
    fn default() -> Self {
        Self(178_956_970)
    }
}

impl fmt::Display for MaxPixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MaxPixels {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Why bytes are no image that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What they are instead, as the end of the sentence "expected an image, got …".
    pub got: String,
    /// What to do.
    pub hint: &'static str,
}

impl Refused {
    /// Damage, which another copy of the file may not have.
    pub(super) fn damaged(got: String) -> Self {
        Self { got, hint: "get the file again" }
    }

    /// A file in order that is of no use here.
    pub(super) fn unread(got: String) -> Self {
        Self { got, hint: "convert it to PNG" }
    }
}

/// The number of pixels, where it is allowed.
pub(super) fn check_size(width: usize, height: usize, max_pixels: MaxPixels) -> Result<usize, Refused> {
    match width.checked_mul(height) {
        Some(0) => Err(Refused::damaged(format!("{width} × {height} pixels"))),
        Some(pixels) if pixels as u64 <= max_pixels.0 => Ok(pixels),
        _ => Err(Refused {
            got: format!("a file that claims {width} × {height} pixels, more than {max_pixels}"),
            hint: "`--max-pixels` sets the limit",
        }),
    }
}

/// Zeros for an image, or an error where the memory does not have room for them.
pub(super) fn zeros(bytes: usize) -> Result<Vec<u8>, Refused> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(bytes).map_err(|_| Refused {
        got: format!("a file that takes {bytes} bytes of memory, more than there are"),
        hint: "`--max-pixels` sets a lower limit",
    })?;
    zeros.resize(bytes, 0);
    Ok(zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_checked_without_overflow() {
        assert_eq!(check_size(3, 4, MaxPixels(12)), Ok(12));
        for (width, height) in [(3, 5), (0, 7), (usize::MAX, 2)] {
            assert!(check_size(width, height, MaxPixels(12)).is_err(), "{width} × {height}");
        }
    }
}
