//! The mean of per-class accuracies as an exact fraction.

use std::collections::BTreeMap;

/// Integers up to here are exact in f64.
const EXACT: u64 = 1 << 53;

/// The classes of a split by their number of samples n.
///
/// The mean over C classes of h_k / n_k is Σ_n H_n / n / C with the hits H_n of all classes of n samples: one division of
/// whole numbers with the least common multiple of the sizes as denominator. So equal accuracies are equal numbers whatever
/// the classes that they come from, where sums of fractions would be told apart by rounding, and a choice of the best is a
/// choice by counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSizes {
    /// Sizes that occur, ascending.
    sizes: Vec<u64>,
    /// Place in `sizes` of each class; `None` for a class without samples.
    groups: Vec<Option<usize>>,
    /// Classes with samples.
    classes: u64,
}

impl ClassSizes {
    /// `samples` `[C]`: of each class in the split.
    pub fn new(samples: &[u64]) -> Self {
        let mut places: BTreeMap<u64, usize> = samples.iter().filter(|&&n| n > 0).map(|&n| (n, 0)).collect();
        for (place, slot) in places.values_mut().enumerate() {
            *slot = place;
        }
        let groups: Vec<_> = samples.iter().map(|n| places.get(n).copied()).collect();
        let classes = groups.iter().flatten().count() as u64;
        Self { sizes: places.into_keys().collect(), groups, classes }
    }

    /// Number of different sizes.
    pub fn groups(&self) -> usize {
        self.sizes.len()
    }

    /// The group of a class; `None` for a class without samples.
    pub fn group(&self, class: usize) -> Option<usize> {
        self.groups.get(class).copied().flatten()
    }

    /// Mean of per-class accuracies from the hits of each class, `[C]`; `None` without samples.
    pub(crate) fn mean_of_classes(&self, hits: &[u64]) -> Option<f64> {
        let mut sums = vec![0; self.groups()];
        for (group, hits) in self.groups.iter().zip(hits) {
            if let Some(sum) = group.and_then(|group| sums.get_mut(group)) {
                *sum += hits;
            }
        }
        self.mean(&sums)
    }

    /// Mean of per-class accuracies from the hits of each group, `[groups]`; `None` without samples.
    pub fn mean(&self, hits: &[u64]) -> Option<f64> {
        let by_size = || self.sizes.iter().zip(hits);
        let exact = || {
            let common =
                self.sizes.iter().try_fold(1, |common, &size| least_common_multiple(common, size))?;
            let total = by_size().try_fold(0_u64, |total, (size, hits)| {
                total.checked_add(hits.checked_mul(common.checked_div(*size)?)?)
            })?;
            let whole = common.checked_mul(self.classes)?;
            (total.max(whole) <= EXACT).then(|| total as f64 / whole as f64)
        };
        // Sizes without a small common multiple: by size, so that only sums of unlike fractions are rounded.
        let rounded = || by_size().map(|(&size, &hits)| hits as f64 / size as f64).sum::<f64>();
        (self.classes > 0).then(|| exact().unwrap_or_else(|| rounded() / self.classes as f64))
    }
}

fn least_common_multiple(a: u64, b: u64) -> Option<u64> {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a.checked_div(divisor)?.checked_mul(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_accuracies_of_different_classes_are_equal_numbers() {
        // 3/10 + 0/10 is 1/10 + 2/10; as sums of fractions 0.3 and 0.30000000000000004.
        let sizes = ClassSizes::new(&[10, 10]);
        assert_eq!(sizes.mean_of_classes(&[3, 0]), Some(0.15));
        assert_eq!(sizes.mean_of_classes(&[1, 2]), Some(0.15));
        assert_ne!(0.3, 0.1 + 0.2);
        // 1/3 + 1/2 is 2/3 + 1/6 in classes of 3, 2 and 6; a class without samples does not count.
        let sizes = ClassSizes::new(&[3, 2, 6, 0]);
        assert_eq!(sizes.mean_of_classes(&[1, 1, 0, 0]), Some(5.0 / 18.0));
        assert_eq!(sizes.mean_of_classes(&[2, 0, 1, 0]), Some(5.0 / 18.0));
        assert_eq!((sizes.groups(), sizes.group(1), sizes.group(3)), (3, Some(0), None));
        assert_eq!(ClassSizes::new(&[0, 0]).mean_of_classes(&[0, 0]), None);
    }

    #[test]
    fn sizes_without_a_small_common_multiple_have_the_mean_all_the_same() {
        let primes = [9_999_991, 9_999_973, 9_999_971, 9_999_943];
        let mean = ClassSizes::new(&primes).mean_of_classes(&primes).unwrap();
        assert!((mean - 1.0).abs() < 1e-15, "{mean}");
    }

    proptest! {
        #[test]
        fn the_exact_mean_is_the_mean_of_fractions_and_one_hit_more_is_more(
            classes in proptest::collection::vec((1_u64..40, 0.0_f64..1.0), 1..120),
            more in 0_usize..120,
        ) {
            let samples: Vec<u64> = classes.iter().map(|class| class.0).collect();
            let mut hits: Vec<u64> =
                classes.iter().map(|&(n, share)| (0..n).filter(|&i| (i as f64) < share * n as f64 - 1.0).count() as u64).collect();
            let sizes = ClassSizes::new(&samples);
            let mean = sizes.mean_of_classes(&hits).unwrap();
            let plain = hits.iter().zip(&samples).map(|(&h, &n)| h as f64 / n as f64).sum::<f64>() / hits.len() as f64;
            prop_assert!((mean - plain).abs() < 1e-12);
            let class = more % hits.len();
            hits[class] += 1;
            prop_assert!(sizes.mean_of_classes(&hits).unwrap() > mean);
        }
    }
}
