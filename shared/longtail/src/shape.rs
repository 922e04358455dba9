//! Class counts of long-tailed training sets, and the published sizes that work is planned for.

/// The sizes of a published long-tailed data set, without its images.
///
/// # Source
/// CIFAR-100-LT at imbalance ratio 100: Cao et al. 2019 (LDAM). ImageNet-LT: Liu et al. 2019 (OLTR), with 20 validation and
/// 50 test images a class. iNaturalist 2018: its training list; the 3 validation images of each class are what papers test on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongTailShape {
    /// Name on the command line.
    pub name: &'static str,
    /// Classes C.
    pub classes: usize,
    /// Samples of the largest class.
    pub n_max: u64,
    /// Samples of the smallest class.
    pub n_min: u64,
    /// Training samples N.
    pub samples: u64,
    /// Features D of the backbone that papers use there: ResNet-34's 512 or ResNet-50's 2048.
    pub dim: usize,
    /// Validation samples of each class.
    pub val_per_class: usize,
    /// Test samples of each class.
    pub test_per_class: usize,
}

/// The shapes that have a name.
pub const SHAPES: [LongTailShape; 3] = [
    LongTailShape {
        name: "cifar100-lt",
        classes: 100,
        n_max: 500,
        n_min: 5,
        samples: 10_847,
        dim: 512,
        val_per_class: 0,
        test_per_class: 100,
    },
    LongTailShape {
        name: "imagenet-lt",
        classes: 1000,
        n_max: 1280,
        n_min: 5,
        samples: 115_846,
        dim: 2048,
        val_per_class: 20,
        test_per_class: 50,
    },
    LongTailShape {
        name: "inaturalist18",
        classes: 8142,
        n_max: 1000,
        n_min: 2,
        samples: 437_513,
        dim: 2048,
        val_per_class: 0,
        test_per_class: 3,
    },
];

impl LongTailShape {
    /// n_k of every class, largest first; they add up to [`LongTailShape::samples`] exactly.
    ///
    /// Published counts have no formula but CIFAR's, so this is the exponential profile, bent until the total is right:
    /// n_k = n_min (n_max/n_min)^((1 − k/(C−1))^bend). The plain profile (bend 1, whole numbers by truncation) is taken as it is
    /// where it has the total already. A total that no profile between n_min and n_max has is approached as near as possible.
    pub fn class_counts(&self) -> Vec<u64> {
        let plain = exponential_counts(self.classes, self.n_max, self.n_min);
        if plain.iter().sum::<u64>() == self.samples {
            return plain;
        }
        // The total falls as the bend grows: halve the interval of its logarithm until floats end it.
        let (mut low, mut high) = (-8.0_f64, 8.0_f64);
        for _ in 0..64 {
            let middle = f64::midpoint(low, high);
            if self.profile(middle.exp()).iter().sum::<f64>() > self.samples as f64 {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.round(&self.profile(high.exp()))
    }

    fn profile(&self, bend: f64) -> Vec<f64> {
        let ratio = self.n_max as f64 / self.n_min as f64;
        let mut profile: Vec<f64> = positions(self.classes)
            .map(|position| self.n_min as f64 * ratio.powf((1.0 - position).powf(bend)))
            .collect();
        // The ends are given: no rounding of powers may move them.
        if let [first, .., last] = profile.as_mut_slice() {
            (*first, *last) = (self.n_max as f64, self.n_min as f64);
        }
        profile
    }

    /// Whole numbers with the right total: those with the largest fractions are rounded up, which keeps their order.
    fn round(&self, profile: &[f64]) -> Vec<u64> {
        let mut counts: Vec<u64> = profile.iter().map(|&n| whole(n)).collect();
        let missing = self.samples.saturating_sub(counts.iter().sum());
        let mut order: Vec<(f64, usize)> =
            profile.iter().enumerate().map(|(class, n)| (n.fract(), class)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, (_, class)) in (0..missing).zip(order) {
            if let Some(count) = counts.get_mut(class) {
                *count += 1;
            }
        }
        counts
    }
}

/// n_k = n_max (n_min/n_max)^(k/(C−1)), truncated to whole samples and never below n_min; largest first.
///
/// # Source
/// Cui et al. 2019 (arXiv 1901.05555), truncated as in LDAM's code (Cao et al. 2019).
pub fn exponential_counts(classes: usize, n_max: u64, n_min: u64) -> Vec<u64> {
    let ratio = n_min as f64 / n_max.max(1) as f64;
    positions(classes).map(|position| whole(n_max as f64 * ratio.powf(position)).max(n_min)).collect()
}

/// k/(C−1) of every class.
fn positions(classes: usize) -> impl Iterator<Item = f64> {
    let last = classes.saturating_sub(1).max(1) as f64;
    (0..classes).map(move |class| class as f64 / last)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "toward zero, and never negative"
)]
fn whole(n: f64) -> u64 {
    n as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_shapes_have_the_published_totals_and_ends() {
        for shape in SHAPES {
            let counts = shape.class_counts();
            assert_eq!(counts.len(), shape.classes, "{}", shape.name);
            assert_eq!(counts.iter().sum::<u64>(), shape.samples, "{}", shape.name);
            assert_eq!((counts[0], counts[shape.classes - 1]), (shape.n_max, shape.n_min), "{}", shape.name);
            assert!(counts.is_sorted_by(|a, b| a >= b), "{}", shape.name);
        }
        assert_eq!(SHAPES.map(|shape| shape.samples), [10_847, 115_846, 437_513]);
    }

    #[test]
    fn the_plain_profile_is_cifars() {
        // LDAM, imbalance_cifar.py: int(500 * 0.01 ** (k / 99)) for k = 0, 1, 2, 97, 98, 99.
        let counts = exponential_counts(100, 500, 5);
        assert_eq!(
            [counts[0], counts[1], counts[2], counts[97], counts[98], counts[99]],
            [500, 477, 455, 5, 5, 5]
        );
        assert_eq!(SHAPES[0].class_counts(), counts);
    }

    #[test]
    fn profiles_without_a_tail_or_classes_are_flat_or_empty() {
        assert_eq!(exponential_counts(3, 7, 7), [7, 7, 7]);
        assert_eq!(exponential_counts(1, 9, 4), [9]);
        assert!(exponential_counts(0, 9, 4).is_empty());
    }
}
