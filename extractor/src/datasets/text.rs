//! Text files that people write with any editor.

use crate::ExtractError;
use files::FileError;
use std::path::Path;

/// Reads a text file in UTF-8; a byte-order mark at its start is no part of the text.
///
/// `what` it should be and the `hint` where it is not there go into the messages.
///
/// # Errors
/// [`ExtractError::NotFound`], [`ExtractError::File`]; [`ExtractError::Malformed`] for UTF-16 and for bytes that are no text.
pub(crate) fn read(path: &Path, what: &str, hint: &str) -> Result<String, ExtractError> {
    let bytes = files::regular::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => {
            ExtractError::NotFound { path: path.to_owned(), expected: what.to_owned(), hint: hint.to_owned() }
        }
        _ => FileError::io("read", path, source).into(),
    })?;
    decode(&bytes).map_err(|(got, hint)| ExtractError::Malformed {
        path: path.to_owned(),
        expected: what.to_owned(),
        got,
        hint: hint.to_owned(),
    })
}

/// The text, or what the bytes are instead and what to do.
fn decode(bytes: &[u8]) -> Result<String, (String, &'static str)> {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    const UTF_16: [&[u8]; 2] = [b"\xFF\xFE", b"\xFE\xFF"];
    let save = "save it as UTF-8";
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    if UTF_16.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(("text in UTF-16".to_owned(), save));
    }
    if bytes.contains(&0) {
        return Err(("bytes that are no text".to_owned(), "check the path; text is read in UTF-8"));
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        let line = 1 + bytes.iter().take(at).filter(|&&byte| byte == b'\n').count();
        (format!("text that is not in UTF-8 (byte 0x{byte:02X} in line {line})"), save)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_no_text_and_other_encodings_are_named() {
        assert_eq!(decode(b"\xEF\xBB\xBFa.png 0\r\n").unwrap(), "a.png 0\r\n");
        assert_eq!(decode("ä 1\n".as_bytes()).unwrap(), "ä 1\n");
        for (bytes, got) in [
            (&b"\xFF\xFEa\0.\0"[..], "text in UTF-16"),
            (b"\xFE\xFF\0a\0.", "text in UTF-16"),
            (b"a\0.\0p\0", "bytes that are no text"),
            (b"a.png 0\n\xE4.png 1\n", "text that is not in UTF-8 (byte 0xE4 in line 2)"),
        ] {
            assert_eq!(decode(bytes).unwrap_err().0, got);
        }
    }
}
