//! A glance at an image file: its size, its first and its last bytes, in microseconds.
//!
//! It finds what is missing, empty, of another kind or cut short before anything is computed, and tells files apart without
//! reading them whole.

use crate::{
    ExtractError,
    images::{self, MaxPixels},
};
use files::regular;
use std::{
    fs::Metadata,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

/// Bytes that are read at either end of a file.
const END: usize = 4096;

/// What a glance tells of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Size.
    pub bytes: u64,
    /// Device and inode: the same for all links to a file.
    pub inode: (u64, u64),
    /// BLAKE3 of the size and of both ends, the first 16 bytes: different contents nearly always differ in it.
    pub ends: [u8; 16],
}

/// Looks at an image file, and decodes it where its ends leave a doubt.
///
/// # Errors
/// Those of [`images::read`].
pub(super) fn at(path: &Path, max_pixels: MaxPixels) -> Result<Glance, ExtractError> {
    let seen = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            ends(path, &metadata).map_err(ExtractError::io("read", path))?
        }
        Ok(metadata) if !metadata.is_dir() => {
            return Err(ExtractError::Malformed {
                path: path.to_owned(),
                expected: "an image".to_owned(),
                got: "a device, pipe or socket".to_owned(),
                hint: "copy its content to a file; `--skip-broken` leaves such images out".to_owned(),
            });
        }
        // Reading it makes the message.
        _ => return images::read(path, max_pixels).map(|_| Glance::default()),
    };
    if !seen.whole {
        images::read(path, max_pixels)?;
    }
    Ok(seen.glance)
}

struct Seen {
    glance: Glance,
    /// Whether both ends are those of a whole image, as far as its format says.
    whole: bool,
}

fn ends(path: &Path, metadata: &Metadata) -> io::Result<Seen> {
    let file = regular::open(path)?;
    let length = metadata.len();
    let mut buffer = [0; 2 * END];
    let first = usize::try_from(length).unwrap_or(usize::MAX).min(END);
    let last = usize::try_from(length.saturating_sub(END as u64)).unwrap_or(usize::MAX).min(END);
    let (head, rest) = buffer.split_at_mut(first);
    let (tail, _) = rest.split_at_mut(last);
    file.read_exact_at(head, 0)?;
    file.read_exact_at(tail, length - last as u64)?;
    let whole = is_whole(head, if tail.is_empty() { head } else { tail }, length);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length.to_le_bytes()).update(head).update(tail);
    let mut ends = [0; 16];
    hasher.finalize_xof().fill(&mut ends);
    Ok(Seen { glance: Glance { bytes: length, inode: (metadata.dev(), metadata.ino()), ends }, whole })
}

/// Whether a file of this length begins and ends as a whole image does; formats that do not say where they end are believed.
fn is_whole(head: &[u8], tail: &[u8], length: u64) -> bool {
    let number = |at: usize, bytes: usize| {
        let bytes = head.get(at..at + bytes)?;
        Some(bytes.iter().rev().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte)))
    };
    match head {
        // The end marker may be followed by what a camera has appended.
        [0xFF, 0xD8, ..] => tail.windows(2).any(|pair| pair == [0xFF, 0xD9]),
        [0x89, b'P', b'N', b'G', ..] => tail.ends_with(b"IEND\xAE\x42\x60\x82"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            number(4, 4).is_some_and(|declared| declared + 8 <= length)
        }
        [b'B', b'M', ..] => number(2, 4).is_some_and(|declared| declared > 0 && declared <= length),
        [b'P', b'1'..=b'7', ..] | [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => true,
        _ => false,
    }
}

/// Whether two files hold the same bytes; their ends have been compared.
pub(super) fn content(path: &Path) -> Result<[u8; 16], ExtractError> {
    let read = || {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(regular::open(path)?)?;
        let mut content = [0; 16];
        hasher.finalize_xof().fill(&mut content);
        Ok(content)
    };
    read().map_err(ExtractError::io("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, RgbImage};

    /// Encoded files of every format are whole, and no prefix of one passes that the decoder would refuse for its length.
    #[test]
    fn cut_files_are_noticed_and_whole_ones_believed() {
        let folder = tempfile::tempdir().unwrap();
        let grain = |x: u32, y: u32| {
            image::Rgb([x * 7 + y * 13, x * 31 + y, y * 3].map(|v| u8::try_from(v % 256).unwrap()))
        };
        for format in
            [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Pnm]
        {
            let mut bytes = io::Cursor::new(Vec::new());
            RgbImage::from_fn(90, 70, grain).write_to(&mut bytes, format).unwrap();
            let bytes = bytes.into_inner();
            let path = folder.path().join("image");
            std::fs::write(&path, &bytes).unwrap();
            let whole = at(&path, MaxPixels::default()).unwrap();
            assert_eq!(whole.bytes, bytes.len() as u64, "{format:?}");
            assert!(ends(&path, &std::fs::metadata(&path).unwrap()).unwrap().whole, "{format:?}");
            for cut in [0, 1, 20, bytes.len() / 2, bytes.len() * 3 / 4] {
                std::fs::write(&path, &bytes[..cut]).unwrap();
                assert!(
                    at(&path, MaxPixels::default()).is_err() || format == ImageFormat::Pnm,
                    "{format:?} cut to {cut}"
                );
            }
        }
    }

    #[test]
    fn an_appended_tail_is_decoded_and_what_is_no_file_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        let mut bytes = io::Cursor::new(Vec::new());
        RgbImage::new(8, 8).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        let bytes = [bytes.into_inner(), vec![7; 3 * END]].concat();
        std::fs::write(&path, &bytes).unwrap();
        assert!(!ends(&path, &std::fs::metadata(&path).unwrap()).unwrap().whole);
        assert!(at(&path, MaxPixels::default()).is_ok());
        for other in [folder.path().join("absent.jpg"), folder.path().to_owned(), "/dev/null".into()] {
            assert!(at(&other, MaxPixels::default()).is_err(), "{other:?}");
        }
    }

    #[test]
    fn files_of_one_content_have_one_glance_but_for_their_inode() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1.png"), folder.path().join("2.png"));
        RgbImage::new(8, 8).save(&one).unwrap();
        std::fs::copy(&one, &two).unwrap();
        let (first, second) =
            (at(&one, MaxPixels::default()).unwrap(), at(&two, MaxPixels::default()).unwrap());
        assert_eq!((first.bytes, first.ends), (second.bytes, second.ends));
        assert_ne!(first.inode, second.inode);
        std::fs::remove_file(&two).unwrap();
        std::os::unix::fs::symlink(&one, &two).unwrap();
        assert_eq!(at(&two, MaxPixels::default()).unwrap(), first);
        assert_eq!(content(&one).unwrap(), content(&two).unwrap());
    }
}
