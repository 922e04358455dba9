//! The pickles of a module, looked at before libtorch reads them: it allocates what they declare.
//!
//! # Source
//! `torch/csrc/jit/serialization/unpickler.cpp` for the operations that it knows; `pickletools` for their arguments.

/// Why a pickle is not to be read; operations that libtorch does not know end the look, as they end its reading.
pub(super) fn check(pickle: &[u8]) -> Result<(), String> {
    let mut rest = pickle;
    while let Some((&operation, arguments)) = rest.split_first() {
        let little = |width: usize| -> Option<u64> {
            let bytes = arguments.get(..width)?;
            Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
        };
        let declared = |width: usize| {
            let length = little(width)?;
            let left = arguments.len().saturating_sub(width);
            usize::try_from(length).ok().filter(|length| *length <= left).map(|length| width + length)
        };
        let taken = match operation {
            b'('
            | b'N'
            | b't'
            | b')'
            | b']'
            | b'}'
            | b'a'
            | b'e'
            | b's'
            | b'u'
            | b'b'
            | b'R'
            | b'Q'
            | b'0'
            | b'2'
            | 0x81
            | 0x85..=0x89 => Some(0),
            b'K' | b'h' | b'q' | 0x80 => Some(1),
            b'M' => Some(2),
            b'J' | b'j' => Some(4),
            b'G' => Some(8),
            b'U' | 0x8a | 0x8c => declared(1),
            b'X' | b'T' | b'B' => declared(4),
            0x8d | 0x8e => declared(8),
            // Its table of objects grows to the number, which counts the objects before it.
            b'r' => little(4).filter(|&number| number <= pickle.len() as u64).map(|_| 4),
            b'c' => lines(arguments, 2),
            _ => return Ok(()),
        };
        let after = taken.and_then(|taken| arguments.get(taken..));
        let at = pickle.len() - rest.len();
        rest = after.ok_or_else(|| format!("declares more than it holds at byte {at}"))?;
    }
    Ok(())
}

/// Bytes of this many lines.
fn lines(bytes: &[u8], count: usize) -> Option<usize> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.nth(count.checked_sub(1)?).map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_must_be_there() {
        let whole = b"\x80\x02ctorch\nFloatStorage\nq\x00X\x03\x00\x00\x00abcr\x01\x00\x00\x00K\x07.";
        assert_eq!(check(whole), Ok(()));
        for (from, to) in [
            (&b"X\x03\x00\x00\x00"[..], &b"X\x03\x00\x00\xc8"[..]), // a text of 3 GB
            (b"r\x01\x00\x00\x00", b"r\x01\x00\x00\x2f"),           // object 788,529,153
            (b"X\x03\x00\x00\x00", b"\x8e\x03\x00\x00\x00"),
        ] {
            let at = whole.windows(from.len()).position(|window| window == from).unwrap();
            let mut damaged = whole.to_vec();
            damaged[at..at + to.len()].copy_from_slice(to);
            assert!(check(&damaged).unwrap_err().contains("declares more than it holds"), "{to:?}");
        }
        for length in 0..whole.len() {
            let _ = check(&whole[..length]);
        }
    }
}
