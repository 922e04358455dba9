//! The zip archive that a TorchScript module is, looked at before libtorch reads it.
//!
//! libtorch compares no checksums, ends the process on some damaged archives, and allocates what an archive declares.

use super::pickle;
use crate::zip;

/// Bytes that compressed entries may hold together; they are code, weights are stored as they are.
const LARGEST_CODE: u64 = 256 << 20;

/// Why an archive is not to be read; `Ok` for one that is whole and no larger than it seems.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let entries = zip::entries(bytes).ok_or("its list of files is damaged")?;
    let mut taken = Vec::with_capacity(entries.len());
    let mut code = 0_u64;
    for entry in &entries {
        if entry.is_compressed() {
            code = code.saturating_add(entry.size);
            if code > LARGEST_CODE {
                return Err(format!("its code takes more than {} MB", LARGEST_CODE >> 20));
            }
        }
        let content = entry.content(bytes)?;
        if entry.name.ends_with("pkl") {
            pickle::check(&content).map_err(|reason| format!("`{}` {reason}", entry.name))?;
        }
        taken.extend(entry.data(bytes));
    }
    taken.sort_unstable_by_key(|range| range.start);
    let overlap = taken.windows(2).any(|pair| matches!(pair, [one, two] if one.end > two.start));
    if overlap { Err("its files overlap".to_owned()) } else { Ok(()) }
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
        for entry in zip::entries(MODULE).unwrap() {
            let range = entry.data(MODULE).unwrap();
            // The last bits of a compressed file may be padding.
            let last = if entry.is_compressed() { range.start } else { range.end - 1 };
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
        let start = MODULE.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
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
