//! Zip archives as PyTorch and NumPy write them: files that are stored as they are or deflated, also beyond 4 GB.
//!
//! Nothing that an archive declares is believed before it is compared with the bytes that are there.
//!
//! # Source
//! PKWARE's `APPNOTE.TXT`: end of central directory, its 64-bit form, central directory, local headers.

use flate2::{Crc, read::DeflateDecoder};
use std::{borrow::Cow, io::Read, ops::Range};

/// No data compress better with deflate: 1032 to 1.
const LARGEST_RATIO: u64 = 1_032;

/// The compression methods, by their numbers.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The general purpose flag of encrypted files.
const ENCRYPTED: u16 = 1;

/// A file of an archive, by the central directory.
pub(crate) struct Entry {
    pub(crate) name: String,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    /// Bytes of the content.
    pub(crate) size: u64,
    offset: u64,
}

impl Entry {
    /// Whether its content is not stored as it is.
    pub(crate) fn is_compressed(&self) -> bool {
        self.method != STORED
    }

    /// Where its bytes lie.
    pub(crate) fn data(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = usize::try_from(self.offset).ok()?;
        let local = bytes.get(start..)?.strip_prefix(b"PK\x03\x04")?;
        let (name, extra) = (u16_at(local, 22)?, u16_at(local, 24)?);
        let from = start.checked_add(30)?.checked_add(usize::from(name) + usize::from(extra))?;
        let to = from.checked_add(usize::try_from(self.packed).ok()?)?;
        (to <= bytes.len()).then_some(from..to)
    }

    /// The content, of the declared size and checksum; else what is wrong, as a sentence.
    pub(crate) fn content<'bytes>(&self, bytes: &'bytes [u8]) -> Result<Cow<'bytes, [u8]>, String> {
        let Self { name, size, .. } = self;
        let data = self.data(bytes).and_then(|range| bytes.get(range));
        let data = data.ok_or_else(|| format!("`{name}` is damaged"))?;
        let held = data.len() as u64;
        let content = match self.method {
            _ if self.flags & ENCRYPTED != 0 => return Err(format!("`{name}` is encrypted")),
            STORED if *size == held => Cow::Borrowed(data),
            DEFLATED if *size <= held.saturating_mul(LARGEST_RATIO) => Cow::Owned(self.inflated(data)?),
            STORED | DEFLATED => return Err(format!("`{name}` declares {size} bytes and has {held}")),
            method => return Err(format!("`{name}` is packed by method {method}, not by deflate")),
        };
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() == self.crc {
            Ok(content)
        } else {
            Err(format!("`{name}` has checksum {:08x}, expected {:08x}", crc.sum(), self.crc))
        }
    }

    /// What `data` unpack to, if that has the declared size.
    fn inflated(&self, data: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        out.try_reserve_exact(size)
            .map_err(|_| format!("`{}` needs {size} bytes, more memory than there is", self.name))?;
        // One byte more shows that it does not end there.
        let unpacked = DeflateDecoder::new(data).take(self.size.saturating_add(1)).read_to_end(&mut out);
        match unpacked {
            Ok(length) if length == size => Ok(out),
            Ok(_) | Err(_) => Err(format!("`{}` is damaged", self.name)),
        }
    }

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

/// The name in the first local header, where the bytes begin with one.
pub(crate) fn first_name(bytes: &[u8]) -> Option<&[u8]> {
    let local = bytes.strip_prefix(b"PK\x03\x04")?;
    local.get(26..)?.get(..usize::from(u16_at(local, 22)?))
}

/// The files of an archive; `None` where their list is damaged.
pub(crate) fn entries(bytes: &[u8]) -> Option<Vec<Entry>> {
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
            flags: u16_at(fixed, 4)?,
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

    /// One stored file, whose sizes and place are in the 64-bit fields, as of an archive beyond 4 GB.
    fn wide(content: &[u8]) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.update(content);
        let (crc, length) = (crc.sum().to_le_bytes(), content.len() as u64);
        let local =
            [b"PK\x03\x04".as_slice(), &[0; 10], &crc, &[0xff; 8], &[1, 0, 0, 0], b"a", content].concat();
        let extra = [length, length, 0].map(u64::to_le_bytes).concat();
        let entry = [
            b"PK\x01\x02".as_slice(),
            &[0; 12],
            &crc,
            &[0xff; 8],
            &[1, 0, 28, 0],
            &[0; 10],
            &[0xff; 4],
            b"a",
        ]
        .concat();
        let entry = [entry.as_slice(), &[1, 0, 24, 0], &extra].concat();
        let place =
            |before: &[u64]| before.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let (start, size) = (local.len() as u64, entry.len() as u64);
        let end = [b"PK\x06\x06".as_slice(), &[0; 28], &place(&[1, size, start])].concat();
        let locator = [b"PK\x06\x07".as_slice(), &[0; 4], &place(&[start + size]), &[0; 4]].concat();
        [&local, &entry, &end, &locator, b"PK\x05\x06".as_slice(), &[0; 4], &[0xff; 12], &[0; 2]].concat()
    }

    #[test]
    fn sizes_and_places_of_64_bits_are_read() {
        let bytes = wide(b"content");
        assert_eq!(first_name(&bytes), Some(&b"a"[..]));
        let entries = entries(&bytes).unwrap();
        let read: Vec<_> =
            entries.iter().map(|entry| (entry.name.as_str(), entry.content(&bytes).unwrap())).collect();
        assert_eq!(read, [("a", Cow::Borrowed(&b"content"[..]))]);
        assert_eq!(entries[0].size, 7);
    }

    #[test]
    fn an_archive_that_is_cut_anywhere_has_no_list_of_files() {
        let bytes = wide(b"content");
        for length in 0..bytes.len() {
            assert!(entries(&bytes[..length]).is_none(), "{length} bytes");
        }
    }
}
