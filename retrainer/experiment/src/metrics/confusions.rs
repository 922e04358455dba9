//! Which class a head takes the samples of another one for.

use super::class_sizes::ClassSizes;
use crate::packed::{self, PackedError};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io};
use thiserror::Error;

/// How often a head takes samples of one class for another: the confusion matrix without its diagonal, and the samples of
/// each class, from which the diagonal follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusions {
    samples: Vec<u32>,
    /// By (class, predicted class), none of them 0.
    cells: BTreeMap<(u32, u32), u32>,
}

/// Samples of one class that are taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// The class of the samples.
    pub class: usize,
    /// The class that they are taken for.
    pub predicted: usize,
    /// How many.
    pub count: u64,
}

/// [`Confusions`] as a text: base64 of a zstd frame of u32 numbers, little-endian: C, then for each class its samples `[C]`,
/// for each class the number of classes that it is taken for `[C]`, these classes in rising order, class by class, and the
/// counts of samples beside them.
///
/// ```python
/// numbers = np.frombuffer(zstandard.decompress(base64.b64decode(text)), "<u4")
/// C = int(numbers[0]); samples, sizes = numbers[1 : C + 1], numbers[C + 1 : 2 * C + 1]
/// predicted, counts = np.split(numbers[2 * C + 1 :], 2)
/// matrix = np.zeros((C, C), int); matrix[np.repeat(np.arange(C), sizes), predicted] = counts
/// np.fill_diagonal(matrix, samples - matrix.sum(1))
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackedConfusions(String);

/// A text that is no [`Confusions`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfusionsError {
    /// Not packed bytes.
    #[error(transparent)]
    Packed(#[from] PackedError),
    /// The numbers are not those that their head says.
    #[error("{got} bytes are no numbers of samples and confusions of {classes} classes")]
    Size {
        /// Classes, as the head says.
        classes: usize,
        /// Bytes that are there.
        got: usize,
    },
    /// Cells that no head has.
    #[error(
        "class {class} is taken for class {predicted} by {count} of its {samples} samples, of {classes} classes"
    )]
    Cell {
        /// The class.
        class: usize,
        /// The class that it is taken for.
        predicted: u32,
        /// Samples.
        count: u32,
        /// Samples of the class that are not yet told.
        samples: u32,
        /// Number of classes.
        classes: usize,
    },
}

impl Confusions {
    /// Of classes with so many samples, and the samples that are wrong by (class, predicted class).
    pub(super) fn of(samples: Vec<u32>, wrong: &[(u32, u32)]) -> Self {
        let mut cells = BTreeMap::new();
        for &cell in wrong {
            *cells.entry(cell).or_insert(0) += 1;
        }
        Self { samples, cells }
    }

    /// Samples of each class, `[C]`.
    pub fn samples(&self) -> &[u32] {
        &self.samples
    }

    /// All cells but the diagonal, by class and predicted class; none of them empty.
    pub fn cells(&self) -> impl Iterator<Item = Confusion> {
        self.cells.iter().map(|(&(class, predicted), &count)| Confusion {
            class: class as usize,
            predicted: predicted as usize,
            count: count.into(),
        })
    }

    /// Those of several heads together; `None` of none, and where they are not of one test split.
    pub fn sum<'a>(mut heads: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let mut sum = heads.next()?.clone();
        let one = sum.samples.clone();
        for other in heads {
            if other.samples != one {
                return None;
            }
            for (sum, more) in sum.samples.iter_mut().zip(&other.samples) {
                *sum = sum.saturating_add(*more);
            }
            for (&cell, more) in &other.cells {
                let count = sum.cells.entry(cell).or_insert(0);
                *count = count.saturating_add(*more);
            }
        }
        Some(sum)
    }

    /// Mean of the per-class accuracies; `None` without samples.
    pub fn top1(&self) -> Option<f64> {
        let samples: Vec<u64> = self.samples.iter().map(|&n| n.into()).collect();
        let mut hits = samples.clone();
        for cell in self.cells() {
            if let Some(hits) = hits.get_mut(cell.class) {
                *hits = hits.saturating_sub(cell.count);
            }
        }
        ClassSizes::new(&samples).mean_of_classes(&hits)
    }

    /// As a short text.
    ///
    /// # Errors
    /// That of the compression, when it has no memory left.
    pub fn pack(&self) -> io::Result<PackedConfusions> {
        let classes = u32::try_from(self.samples.len()).map_err(io::Error::other)?;
        let mut sizes = vec![0_u32; self.samples.len()];
        for (class, _) in self.cells.keys() {
            if let Some(size) = sizes.get_mut(*class as usize) {
                *size += 1;
            }
        }
        let numbers = std::iter::once(&classes).chain(&self.samples).chain(&sizes);
        let cells = self.cells.keys().map(|(_, predicted)| predicted).chain(self.cells.values());
        let bytes: Vec<u8> = numbers.chain(cells).flat_map(|number| number.to_le_bytes()).collect();
        packed::pack(&bytes).map(PackedConfusions)
    }
}

impl PackedConfusions {
    /// The confusions of the text.
    ///
    /// # Errors
    /// [`ConfusionsError`] when the text is damaged or its numbers cannot be.
    pub fn unpack(&self) -> Result<Confusions, ConfusionsError> {
        let bytes = packed::unpack(&self.0)?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        let numbers: Vec<u32> = numbers.iter().map(|&number| u32::from_le_bytes(number)).collect();
        let classes = numbers.first().map_or(0, |&classes| classes as usize);
        let size = || ConfusionsError::Size { classes, got: bytes.len() };
        if !rest.is_empty() {
            return Err(size());
        }
        let body = numbers.get(1..).ok_or_else(size)?;
        let (samples, body) = body.split_at_checked(classes).ok_or_else(size)?;
        let (sizes, body) = body.split_at_checked(classes).ok_or_else(size)?;
        let total: u64 = sizes.iter().map(|&size| u64::from(size)).sum();
        if body.len() as u64 != total.saturating_mul(2) {
            return Err(size());
        }
        let (predicted, counts) = body.split_at(body.len() / 2);
        let mut pairs = predicted.iter().zip(counts);
        let mut cells = BTreeMap::new();
        for ((class, &samples), &size) in samples.iter().enumerate().zip(sizes) {
            let mut left = samples;
            for (&predicted, &count) in pairs.by_ref().take(size as usize) {
                let wrong = ConfusionsError::Cell { class, predicted, count, samples: left, classes };
                let own = u32::try_from(class).map_err(|_| wrong.clone())?;
                let possible =
                    (predicted as usize) < classes && predicted != own && count > 0 && count <= left;
                if !possible || cells.insert((own, predicted), count).is_some() {
                    return Err(wrong);
                }
                left -= count;
            }
        }
        Ok(Confusions { samples: samples.to_vec(), cells })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Evaluation, TOP1, testing::labels};
    use cache::ClassCounts;
    use proptest::prelude::*;

    /// Confusions of samples by label and predicted class, with the accuracy of the same samples.
    fn confusions(samples: &[(u32, usize)]) -> (Option<Confusions>, Option<f64>) {
        let mut evaluation = Evaluation::new(&ClassCounts::new(vec![200, 50, 5, 30]).unwrap());
        for &(label, predicted) in samples {
            let mut row = [0.0; 4];
            row[predicted] = 1.0;
            evaluation.update(&row, &labels(&[label])).unwrap();
        }
        (evaluation.confusions(), evaluation.finish().values.get(TOP1.all))
    }

    #[test]
    fn wrong_samples_are_counted_by_class_and_predicted_class() {
        let (confusions, _) = confusions(&[(0, 0), (0, 2), (0, 2), (0, 1), (1, 1), (2, 3)]);
        let confusions = confusions.unwrap();
        let cells: Vec<_> = confusions.cells().map(|cell| (cell.class, cell.predicted, cell.count)).collect();
        assert_eq!(cells, [(0, 1, 1), (0, 2, 2), (2, 3, 1)]);
        assert_eq!(confusions.samples(), [4, 1, 1, 0]);
        // (1/4 + 1 + 0) / 3
        assert_eq!(confusions.top1(), Some(1.25 / 3.0));
        let twice = Confusions::sum([&confusions, &confusions].into_iter()).unwrap();
        assert_eq!((twice.samples(), twice.top1()), (&[8, 2, 2, 0][..], confusions.top1()));
        assert_eq!(twice.cells().map(|cell| cell.count).collect::<Vec<_>>(), [2, 4, 2]);
        let other = Confusions { samples: vec![1], cells: BTreeMap::new() };
        assert_eq!(Confusions::sum([&confusions, &other].into_iter()), None);
        assert_eq!(Confusions::sum(std::iter::empty()), None);
    }

    #[test]
    fn logits_that_are_not_finite_have_no_confusions() {
        let mut evaluation = Evaluation::new(&ClassCounts::new(vec![2, 3]).unwrap());
        evaluation.update(&[1.0, 2.0, f32::NAN, 0.0], &labels(&[0, 1])).unwrap();
        assert_eq!(evaluation.confusions(), None);
    }

    #[test]
    fn the_text_is_what_python_reads_and_damage_is_an_error() {
        let confusions = confusions(&[(0, 0), (0, 2), (0, 2), (2, 3)]).0.unwrap();
        let text = confusions.pack().unwrap();
        let bytes = packed::unpack(&text.0).unwrap();
        let numbers: Vec<u32> =
            bytes.as_chunks::<4>().0.iter().map(|&number| u32::from_le_bytes(number)).collect();
        assert_eq!(numbers, [4, 3, 0, 1, 0, 1, 0, 1, 0, 2, 3, 2, 1]);
        let unpack = |numbers: &[u32]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            PackedConfusions(packed::pack(&bytes).unwrap()).unpack()
        };
        assert_eq!(unpack(&numbers).unwrap(), confusions);
        assert!(matches!(unpack(&numbers[..12]), Err(ConfusionsError::Size { classes: 4, got: 48 })));
        assert!(matches!(unpack(&[u32::MAX]), Err(ConfusionsError::Size { .. })));
        assert!(matches!(unpack(&[]), Err(ConfusionsError::Size { .. })));
        // More samples than the class has, its own class, a class that there is not, none at all, one twice.
        for (cell, number) in [(11, 4), (9, 0), (9, 4), (11, 0)] {
            let mut damaged = numbers.clone();
            damaged[cell] = number;
            assert!(matches!(unpack(&damaged), Err(ConfusionsError::Cell { class: 0, .. })), "{damaged:?}");
        }
        let twice = [3, 4, 0, 0, 2, 0, 0, 1, 1, 1, 1];
        assert!(matches!(unpack(&twice), Err(ConfusionsError::Cell { class: 0, predicted: 1, .. })));
        assert!(matches!(PackedConfusions("?".to_owned()).unpack(), Err(ConfusionsError::Packed(_))));
    }

    proptest! {
        #[test]
        fn they_come_back_and_have_the_accuracy_of_their_samples(
            samples in proptest::collection::vec((0_u32..4, 0_usize..4), 0..200),
        ) {
            let (confusions, top1) = confusions(&samples);
            let confusions = confusions.unwrap();
            prop_assert_eq!(confusions.top1(), top1);
            prop_assert_eq!(confusions.pack().unwrap().unpack().unwrap(), confusions);
        }

        #[test]
        fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = PackedConfusions(packed::pack(&bytes).unwrap()).unpack();
            let _ = PackedConfusions(String::from_utf8_lossy(&bytes).into_owned()).unpack();
        }
    }
}
