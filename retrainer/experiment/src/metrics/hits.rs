//! Which samples a head has right: what tells a gain from chance in the choice of test images.

use super::class_sizes::ClassSizes;
use crate::packed::{self, PackedError};
use cache::ClassId;
use serde::{Deserialize, Serialize};
use std::io;
use thiserror::Error;

/// Right or wrong, sample by sample in the order in which they were measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    bits: Bits,
}

impl Outcomes {
    pub(super) fn push(&mut self, right: bool) {
        self.bits.push(right);
    }

    /// In the order of classes; `None` where `labels` are not those of the samples.
    pub(super) fn by_class(&self, labels: &[ClassId], classes: usize) -> Option<Hits> {
        let mut samples = vec![0_u32; classes];
        for label in labels {
            let count = samples.get_mut(label.index())?;
            *count = count.checked_add(1)?;
        }
        // The place of the next sample of each class.
        let mut next: Vec<usize> = samples
            .iter()
            .scan(0, |sum, &n| {
                let start = *sum;
                *sum += n as usize;
                Some(start)
            })
            .collect();
        let mut bits = Bits { bytes: vec![0; labels.len().div_ceil(8)], len: labels.len() };
        for (row, label) in labels.iter().enumerate() {
            let place = next.get_mut(label.index())?;
            if self.bits.get(row) {
                bits.set(*place);
            }
            *place += 1;
        }
        (self.bits.len == labels.len()).then_some(Hits { samples, bits })
    }
}

/// Bits, the first in the lowest place of the first byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        self.len += 1;
        if bit {
            self.set(self.len - 1);
        }
    }

    fn set(&mut self, place: usize) {
        if let Some(byte) = self.bytes.get_mut(place / 8) {
            *byte |= 1 << (place % 8);
        }
    }

    fn get(&self, place: usize) -> bool {
        place < self.len && self.bytes.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1)
    }
}

/// Which samples of a split a head has right, in the order of classes and within a class in that of the split.
///
/// Two heads measured on the same split stand side by side, sample by sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    /// Samples of each class.
    samples: Vec<u32>,
    bits: Bits,
}

/// [`Hits`] as a text: base64 of a zstd frame of the number of classes C and C numbers of samples (u32, little-endian), then
/// a bit for each sample, the first in the lowest place of the first byte.
///
/// ```python
/// data = zstandard.decompress(base64.b64decode(text))
/// classes = int.from_bytes(data[:4], "little")
/// samples = np.frombuffer(data, "<u4", classes, 4)
/// right = np.unpackbits(np.frombuffer(data, "u1", offset=4 + 4 * classes), bitorder="little")[: samples.sum()]
/// rows = np.argsort(labels, kind="stable")      # right[i] is that of row rows[i] of the split
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackedHits(String);

/// A text that is no [`Hits`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HitsError {
    /// Not packed bytes.
    #[error(transparent)]
    Packed(#[from] PackedError),
    /// The bytes do not have the size that their head says.
    #[error("{got} bytes, expected {expected} for {samples} samples of {classes} classes")]
    Size {
        /// Classes, as the head says.
        classes: usize,
        /// Samples, as the head says.
        samples: u64,
        /// Bytes that they take.
        expected: u64,
        /// Bytes that are there.
        got: usize,
    },
    /// Bits after the last sample.
    #[error("bits are set behind the last of {samples} samples")]
    Surplus {
        /// Samples.
        samples: usize,
    },
}

impl Hits {
    /// Samples of each class, `[C]`.
    pub fn samples(&self) -> &[u32] {
        &self.samples
    }

    /// Right or wrong of every sample, class by class.
    pub fn right(&self) -> impl Iterator<Item = bool> {
        (0..self.bits.len).map(|place| self.bits.get(place))
    }

    /// Mean of the per-class accuracies; `None` without samples.
    pub fn top1(&self) -> Option<f64> {
        let mut right = self.right();
        let hits = self.samples.iter().map(|&n| right.by_ref().take(n as usize).map(u64::from).sum::<u64>());
        let hits: Vec<u64> = hits.collect();
        let samples: Vec<u64> = self.samples.iter().map(|&n| n.into()).collect();
        ClassSizes::new(&samples).mean_of_classes(&hits)
    }

    /// As a short text.
    ///
    /// # Errors
    /// That of the compression, when it has no memory left.
    pub fn pack(&self) -> io::Result<PackedHits> {
        let classes = u32::try_from(self.samples.len()).map_err(io::Error::other)?;
        let numbers = std::iter::once(&classes).chain(&self.samples);
        let mut bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        bytes.extend(&self.bits.bytes);
        packed::pack(&bytes).map(PackedHits)
    }
}

impl PackedHits {
    /// The hits of the text.
    ///
    /// # Errors
    /// [`HitsError`] when the text is damaged or its sizes disagree.
    pub fn unpack(&self) -> Result<Hits, HitsError> {
        let bytes = packed::unpack(&self.0)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        let mut numbers = numbers.iter().map(|&number| u32::from_le_bytes(number));
        let classes = numbers.next().unwrap_or_default() as usize;
        let samples: Vec<u32> = numbers.take(classes).collect();
        let total: u64 = samples.iter().map(|&n| u64::from(n)).sum();
        let head = 4 + 4 * classes as u64;
        let expected = head + total.div_ceil(8);
        let size = |expected| HitsError::Size { classes, samples: total, expected, got: bytes.len() };
        if bytes.len() as u64 != expected {
            return Err(size(expected));
        }
        let body = usize::try_from(head).ok().and_then(|head| bytes.get(head..));
        let (body, len) = body.zip(usize::try_from(total).ok()).ok_or_else(|| size(expected))?;
        let bits = Bits { bytes: body.to_vec(), len };
        match bits.bytes.last() {
            Some(last) if !len.is_multiple_of(8) && last >> (len % 8) != 0 => {
                Err(HitsError::Surplus { samples: len })
            }
            _ => Ok(Hits { samples, bits }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hits(labels: &[u32], right: &[bool], classes: usize) -> Option<Hits> {
        let mut outcomes = Outcomes::default();
        for &right in right {
            outcomes.push(right);
        }
        outcomes.by_class(&labels.iter().copied().map(ClassId).collect::<Vec<_>>(), classes)
    }

    #[test]
    fn samples_stand_class_by_class_in_the_order_of_the_split() {
        let hits = hits(&[2, 0, 2, 0, 2], &[true, false, false, true, true], 4).unwrap();
        assert_eq!(hits.samples(), [2, 0, 3, 0]);
        assert_eq!(hits.right().collect::<Vec<_>>(), [false, true, true, false, true]);
        // (1/2 + 2/3) / 2
        assert_eq!(hits.top1(), Some(7.0 / 12.0));
    }

    #[test]
    fn labels_of_other_samples_have_no_hits() {
        assert_eq!(hits(&[0, 1], &[true], 2), None);
        assert_eq!(hits(&[0, 5], &[true, true], 2), None);
    }

    #[test]
    fn the_text_is_what_python_reads_and_damage_is_an_error() {
        let packed = hits(&[1, 0, 1], &[true, false, true], 2).unwrap().pack().unwrap();
        let bytes = packed::unpack(&packed.0).unwrap();
        assert_eq!(bytes, [2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0b110]);
        let unpack = |bytes: &[u8]| PackedHits(packed::pack(bytes).unwrap()).unpack();
        assert!(matches!(unpack(&bytes[..12]), Err(HitsError::Size { expected: 13, got: 12, .. })));
        assert!(matches!(unpack(&[&bytes[..], &[0]].concat()), Err(HitsError::Size { got: 14, .. })));
        assert!(matches!(unpack(&[255, 255, 255, 255, 1, 0, 0, 0]), Err(HitsError::Size { .. })));
        assert!(matches!(unpack(&[]), Err(HitsError::Size { .. })));
        let surplus = [&bytes[..12], &[0b1110]].concat();
        assert_eq!(unpack(&surplus), Err(HitsError::Surplus { samples: 3 }));
        assert!(matches!(PackedHits("?".to_owned()).unpack(), Err(HitsError::Packed(_))));
    }

    proptest! {
        #[test]
        fn every_pattern_comes_back(samples in proptest::collection::vec((0_u32..5, any::<bool>()), 0..200)) {
            let (labels, right): (Vec<u32>, Vec<bool>) = samples.into_iter().unzip();
            let hits = hits(&labels, &right, 5).unwrap();
            prop_assert_eq!(&hits.pack().unwrap().unpack().unwrap(), &hits);
            prop_assert_eq!(hits.right().filter(|&right| right).count(), right.iter().filter(|&&right| right).count());
        }

        #[test]
        fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = PackedHits(packed::pack(&bytes).unwrap()).unpack();
            let _ = PackedHits(String::from_utf8_lossy(&bytes).into_owned()).unpack();
        }
    }
}
