//! Bytes as a short text inside a JSON line: base64 of a zstd frame.
//!
//! In Python: `zstandard.decompress(base64.b64decode(text))`.

use base64::{Engine, prelude::BASE64_STANDARD};
use std::io;
use thiserror::Error;

/// Fast enough for every head of a sweep; higher levels save a few percent.
const LEVEL: i32 = 9;

/// No packed part of a record is near this size: what is read is not trusted.
const MOST_BYTES: usize = 64 << 20;

/// A text that is no packed bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackedError {
    /// Not base64.
    #[error("not base64: {0}")]
    Text(String),
    /// Not a zstd frame, a damaged one, or one of more than 64 MiB.
    #[error("not a zstd frame of at most {MOST_BYTES} bytes: {0}")]
    Frame(String),
}

/// The text of some bytes.
///
/// # Errors
/// That of zstd, when it has no memory left.
pub(crate) fn pack(bytes: &[u8]) -> io::Result<String> {
    Ok(BASE64_STANDARD.encode(zstd::bulk::compress(bytes, LEVEL)?))
}

/// The bytes of a text.
///
/// # Errors
/// [`PackedError`] when the text is not from [`pack`]; never more than 64 MiB are asked for.
pub(crate) fn unpack(text: &str) -> Result<Vec<u8>, PackedError> {
    let frame = BASE64_STANDARD.decode(text).map_err(|error| PackedError::Text(error.to_string()))?;
    zstd::bulk::decompress(&frame, MOST_BYTES).map_err(|error| PackedError::Frame(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_damage_is_an_error() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let text = pack(&bytes).unwrap();
        assert_eq!(unpack(&text).unwrap(), bytes);
        assert_eq!(unpack(&pack(&[]).unwrap()).unwrap(), Vec::<u8>::new());
        assert!(matches!(unpack("no base64!"), Err(PackedError::Text(_))));
        assert!(matches!(unpack(&BASE64_STANDARD.encode("no frame")), Err(PackedError::Frame(_))));
        for cut in [4, text.len() / 8 * 4, text.len() - 4] {
            assert!(unpack(&text[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_small_text_never_becomes_a_large_memory() {
        let bomb = pack(&vec![0; MOST_BYTES + 1]).unwrap();
        assert!(bomb.len() < 10_000);
        assert!(matches!(unpack(&bomb), Err(PackedError::Frame(_))));
    }
}
