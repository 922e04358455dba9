//! Text from outside as it may go to a terminal: names and paths that steer nothing and hide nothing.
//!
//! A file name may hold anything but a slash. Control characters move the cursor, colour or overwrite what was said before,
//! marks of direction turn a name around, and characters without width make two names look alike: all of them are shown as
//! Rust writes them, `\n`, `\u{1b}`, and bytes that are no UTF-8 as `\xff`.

use std::{borrow::Cow, ffi::OsStr, fmt::Write, os::unix::ffi::OsStrExt, path::Path};

/// A name in one line: every character that is no ink or space is escaped, line ends too.
pub fn name(text: &str) -> Cow<'_, str> {
    escape_where(text, is_hidden)
}

/// Text of several lines: as [`name`], but line ends stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escape_where(text, |character| character != '\n' && is_hidden(character))
}

/// A path in one line.
pub fn path(path: &Path) -> String {
    os(path.as_os_str())
}

/// A name of the system's in one line.
pub fn os(text: &OsStr) -> String {
    let mut shown = String::with_capacity(text.len());
    for chunk in text.as_bytes().utf8_chunks() {
        shown.push_str(&name(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

fn escape_where(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&hidden) {
        return Cow::Borrowed(text);
    }
    let escaped = |character: char| {
        let escape = hidden(character).then(|| character.escape_default());
        let plain = escape.is_none().then_some(character);
        escape.into_iter().flatten().chain(plain)
    };
    Cow::Owned(text.chars().flat_map(escaped).collect())
}

/// Whether a character acts on its neighbours or the terminal instead of being seen.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}'   // soft hyphen, joiners, Arabic and Mongolian marks
            | '\u{200b}'..='\u{200f}'                       // no width; marks of direction
            | '\u{2028}'..='\u{202e}'                       // line and paragraph ends; embeddings and overrides
            | '\u{2060}'..='\u{206f}'                       // no width; isolates; deprecated formats
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'          // variants; byte-order mark
            | '\u{fff9}'..='\u{fffb}'                       // annotations
            | '\u{e0000}'..='\u{e0fff}') // tags and more variants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_hides_is_escaped_and_the_rest_stays() {
        for (text, shown) in [
            ("plain name, naïve Ångström 漢字 é.png", "plain name, naïve Ångström 漢字 é.png"),
            ("\u{1b}[31mred\u{7}", r"\u{1b}[31mred\u{7}"),
            ("one\nerror: two\r\t", r"one\nerror: two\r\t"),
            ("gnp\u{202e}exe", r"gnp\u{202e}exe"),
            ("a\u{200b}b\u{feff}", r"a\u{200b}b\u{feff}"),
            ("\u{9b}31m", r"\u{9b}31m"),
        ] {
            assert_eq!(name(text), shown);
        }
        assert_eq!(lines("one\ntwo\u{1b}"), "one\ntwo\\u{1b}");
        assert!(matches!(name("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_bytes() {
        assert_eq!(
            path(Path::new(OsStr::from_bytes(b"runs/\xff\xc3x\x1b\xc3\xa9"))),
            "runs/\\xff\\xc3x\\u{1b}é"
        );
    }
}
