//! JPEG: baseline and progressive, grey, colour and CMYK, in every layout that libjpeg reads.

#[cfg(target_arch = "x86_64")]
mod idct;
#[expect(unsafe_code, reason = "libjpeg is a C library; every block says why it is sound")]
mod libjpeg;

use super::{
    Rgb, colours,
    limits::{MaxPixels, Refused, check_size},
};
use libjpeg::{Colours, Decoder, Failure};

/// Decodes a whole file; one that ends early is an error, as it is for PIL.
///
/// Which colours four components are nobody wrote down: they are taken as Adobe writes them, inverted, as PIL does.
pub(super) fn decode(bytes: &[u8], max_pixels: MaxPixels) -> Result<Rgb, Refused> {
    let decoder = Decoder::new(bytes).map_err(refused)?;
    let header = decoder.header();
    check_size(header.width, header.height, max_pixels)?;
    let colours = match header.components.len() {
        1 | 3 => Colours::Rgb,
        4 => Colours::Cmyk,
        n => return Err(Refused::unread(format!("a JPEG file of {n} components, neither grey nor colours"))),
    };
    // Which of the two a later scan means depends on the version of libjpeg.
    if header.multiple_scans
        && (1..header.components.len()).any(|i| header.components[..i].contains(&header.components[i]))
    {
        return Err(Refused::damaged("a JPEG file with two components of one name".to_owned()));
    }
    let pixels = decoder.decode(colours).map_err(refused)?;
    let pixels = match colours {
        Colours::Rgb => pixels,
        Colours::Cmyk => pixels
            .chunks_exact(4)
            .flat_map(|p| colours::cmyk([p[0], p[1], p[2], p[3]].map(|ink| 255 - ink)))
            .collect(),
    };
    Ok(Rgb { width: header.width, height: header.height, pixels })
}

fn refused(failure: Failure) -> Refused {
    match failure {
        Failure::EndsEarly => Refused::damaged("a JPEG file that ends early".to_owned()),
        Failure::Memory(bytes) => Refused {
            got: format!("a JPEG file that takes {bytes} bytes of memory, more than there are"),
            hint: "`--max-pixels` sets a lower limit",
        },
        Failure::Message(message) => {
            Refused::damaged(format!("a JPEG file that cannot be decoded ({message})"))
        }
    }
}
