//! The zip archive that a TorchScript module is, looked at before libtorch reads it.
//!
//! libtorch compares no checksums, ends the process on some damaged archives, and allocates what an archive declares.
//!
//! # Source
//! PKWARE's `APPNOTE.TXT`: end of central directory, its 64-bit form, central directory, local headers.

use super::pickle;
use flate2::{Crc, read::DeflateDecoder};
use std::{borrow::Cow, io::Read, ops::Range};

/// No data compress better with deflate: 1032 to 1.
const LARGEST_RATIO: u64 = 1_032;

/// Bytes that compressed entries may hold together; they are code, weights are stored as they are.
const LARGEST_CODE: u64 = 256 << 20;

/// Why an archive is not to be read; `Ok` for one that is whole and no larger than it seems.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let entries = entries(bytes).ok_or("its list of files is damaged")?;
    let mut taken: Vec<Range<usize>> = Vec::with_capacity(entries.len());
    let mut code = 0_u64;
    for entry in &entries {
        let name = &entry.name;
        let range = entry.data(bytes).ok_or_else(|| format!("`{name}` is damaged"))?;
        let data = bytes.get(range.clone()).unwrap_or_default();
        let content = match entry.method {
            0 if entry.size == data.len() as u64 => Cow::Borrowed(data),
            8 if entry.size <= (data.len() as u64).saturating_mul(LARGEST_RATIO) => {
                code = code.saturating_add(entry.size);
                if code > LARGEST_CODE {
                    return Err(format!("its code takes more than {} MB", LARGEST_CODE >> 20));
                }
                Cow::Owned(inflated(data, entry.size).ok_or_else(|| format!("`{name}` is damaged"))?)
            }
            _ => return Err(format!("`{name}` declares {} bytes and has {}", entry.size, data.len())),
        };
        let crc = crc_of(&content);
        if crc != entry.crc {
            return Err(format!("`{name}` has checksum {crc:08x}, expected {:08x}", entry.crc));
        }
        if name.ends_with("pkl") {
            pickle::check(&content).map_err(|reason| format!("`{name}` {reason}"))?;
        }
        taken.push(range);
    }
    taken.sort_unstable_by_key(|range| range.start);
    let overlap = taken.windows(2).any(|pair| matches!(pair, [one, two] if one.end > two.start));
    if overlap { Err("its files overlap".to_owned()) } else { Ok(()) }
}

/// A file of the archive, by the central directory.
struct Entry {
    name: String,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

impl Entry {
    /// Where its bytes lie.
    fn data(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = usize::try_from(self.offset).ok()?;
        let local = bytes.get(start..)?.strip_prefix(b"PK\x03\x04")?;
        let (name, extra) = (u16_at(local, 22)?, u16_at(local, 24)?);
        let from = start.checked_add(30)?.checked_add(usize::from(name) + usize::from(extra))?;
        let to = from.checked_add(usize::try_from(self.packed).ok()?)?;
        (to <= bytes.len()).then_some(from..to)
    }
}

fn crc_of(data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(data);
    crc.sum()
}

/// A compressed file, if it has the declared size.
fn inflated(data: &[u8], size: u64) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    // One byte more shows that it does not end there.
    DeflateDecoder::new(data).take(size.checked_add(1)?).read_to_end(&mut out).ok()?;
    (out.len() as u64 == size).then_some(out)
}

fn entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (count, start, end) = directory(bytes)?;
    let mut rest = bytes.get(start..end)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let fixed = rest.strip_prefix(b"PK\x01\x02")?;
        let (name, extra, comment) = (u16_at(fixed, 24)?, u16_at(fixed, 26)?, u16_at(fixed, 28)?);
        let tail = rest.get(46..)?;
        let (name, tail) = tail.split_at_checked(usize::from(name))?;
        let (extra, tail) = tail.split_at_checked(usize::from(extra))?;
        let mut entry = Entry {
            name: String::from_utf8_lossy(name).into_owned(),
            method: u16_at(fixed, 6)?,
            crc: u32_at(fixed, 12)?,
            packed: u32_at(fixed, 16)?.into(),
            size: u32_at(fixed, 20)?.into(),
            offset: u32_at(fixed, 38)?.into(),
        };
        entry.widen(extra)?;
        entries.push(entry);
        rest = tail.get(usize::from(comment)..)?;
    }
    rest.is_empty().then_some(entries)
}

impl Entry {
    /// Sizes that 32 bits do not hold are in the extra field 1, in this order.
    fn widen(&mut self, mut extra: &[u8]) -> Option<()> {
        while let (Some(id), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
            let field = extra.get(4..4 + usize::from(length))?;
            if id == 1 {
                let mut numbers = field.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
                for number in [&mut self.size, &mut self.packed, &mut self.offset] {
                    if *number == u64::from(u32::MAX) {
                        *number = numbers.next()?;
                    }
                }
            }
            extra = extra.get(4 + usize::from(length)..)?;
        }
        Some(())
    }
}

/// Number of files, and where their list starts and ends.
fn directory(bytes: &[u8]) -> Option<(u64, usize, usize)> {
    // A comment of up to 64 kB may follow.
    let from = bytes.len().saturating_sub(22 + usize::from(u16::MAX));
    let tail = bytes.get(from..)?;
    let at = from + tail.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let end = bytes.get(at..)?;
    if end.len() != 22 + usize::from(u16_at(end, 20)?) {
        return None;
    }
    let (mut count, mut size, mut offset) =
        (u64::from(u16_at(end, 10)?), u64::from(u32_at(end, 12)?), u64::from(u32_at(end, 16)?));
    let locator = at.checked_sub(20).and_then(|start| bytes.get(start..at)?.strip_prefix(b"PK\x06\x07"));
    if let Some(locator) = locator {
        let wide = bytes.get(usize::try_from(u64_at(locator, 4)?).ok()?..)?;
        let wide = wide.strip_prefix(b"PK\x06\x06")?;
        (count, size, offset) = (u64_at(wide, 28)?, u64_at(wide, 36)?, u64_at(wide, 44)?);
    }
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    (end <= at).then_some((count, start, end))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &[u8] = include_bytes!("../../../../fixtures/backbones/logits.torchscript");

    #[test]
    fn modules_of_pytorch_are_whole() {
        for module in [
            MODULE,
            include_bytes!("../../../../fixtures/backbones/logits-traced.torchscript"),
            include_bytes!("../../../../fixtures/backbones/features.torchscript"),
        ] {
            assert_eq!(check(module), Ok(()));
        }
    }

    #[test]
    fn a_module_that_is_cut_anywhere_is_refused() {
        for length in 0..MODULE.len() {
            assert!(check(&MODULE[..length]).is_err(), "{length} bytes");
        }
    }

    /// Every byte of every file counts; padding between files does not.
    #[test]
    fn a_flipped_bit_in_any_file_is_found() {
        for entry in entries(MODULE).unwrap() {
            let range = entry.data(MODULE).unwrap();
            // The last bits of a compressed file may be padding.
            let last = if entry.method == 0 { range.end - 1 } else { range.start };
            for at in [range.start, range.start + range.len() / 2, last] {
                let mut damaged = MODULE.to_vec();
                damaged[at] ^= 4;
                let message = check(&damaged).unwrap_err();
                assert!(message.contains(&entry.name), "{message}");
            }
        }
    }

    #[test]
    fn declared_sizes_are_not_believed() {
        let start = directory(MODULE).unwrap().1;
        for (at, what) in [(20, "packed"), (24, "size"), (42, "offset")] {
            let mut damaged = MODULE.to_vec();
            damaged[start + at..start + at + 4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
            assert!(check(&damaged).is_err(), "{what}");
        }
        let mut damaged = MODULE.to_vec();
        damaged[start + 10] = 12; // bzip2
        assert!(check(&damaged).is_err());
    }
}
