//! How many images of each class a long-tailed training set has.
//!
//! # Source
//! Cui et al. 2019 (arXiv 1901.05555) and LDAM's `imbalance_cifar.py` (Cao et al. 2019): an exponential profile, truncated
//! to whole images. EWB-FDR rounds to the nearest and starts at 480, to have images left for validation.

/// How a class count becomes a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Rounding {
    /// Toward zero, as LDAM, LTWB and nearly all others
    Trunc,
    /// To the nearest, as EWB-FDR
    Round,
}

/// Training images of each class: n_k = n_max · (1/ratio)^(k/(C−1)), made whole; class order is frequency order.
pub fn class_counts(classes: usize, n_max: u64, imbalance_ratio: f64, rounding: Rounding) -> Vec<u64> {
    let last = classes.saturating_sub(1).max(1) as f64;
    let whole = |n: f64| match rounding {
        Rounding::Trunc => n.trunc(),
        Rounding::Round => n.round(),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and between 0 and n_max"
    )]
    let count = |k| whole(n_max as f64 * (1.0 / imbalance_ratio).powf(k as f64 / last)) as u64;
    (0..classes).map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::ClassCounts;

    /// Class counts of published sets: (C, n_max, ratio, rounding), total, max, min, many / medium / few.
    #[test]
    fn class_counts_are_the_published_ones() {
        use Rounding::{Round, Trunc};
        let table = [
            ((100, 500, 10.0, Trunc), 19573, 500, 50, [69, 31, 0]),
            ((100, 500, 20.0, Trunc), 15907, 500, 25, [53, 47, 0]),
            ((100, 500, 50.0, Trunc), 12608, 500, 10, [41, 41, 18]),
            ((100, 500, 100.0, Trunc), 10847, 500, 5, [35, 35, 30]),
            ((100, 500, 200.0, Trunc), 9502, 500, 2, [30, 31, 39]),
            ((10, 5000, 10.0, Trunc), 20431, 5000, 500, [10, 0, 0]),
            ((10, 5000, 50.0, Trunc), 13996, 5000, 100, [9, 1, 0]),
            ((10, 5000, 100.0, Trunc), 12406, 5000, 50, [8, 2, 0]),
            ((10, 5000, 200.0, Trunc), 11203, 5000, 25, [7, 3, 0]),
            ((100, 480, 100.0, Round), 10457, 480, 5, [34, 35, 31]),
        ];
        for ((classes, n_max, ratio, rounding), total, max, min, shots) in table {
            let counts = ClassCounts::new(class_counts(classes, n_max, ratio, rounding)).unwrap();
            assert_eq!(counts.total(), total, "ratio {ratio}");
            assert_eq!((counts.counts()[0], counts.counts()[classes - 1]), (max, min), "ratio {ratio}");
            assert_eq!(cache::Shot::ALL.map(|shot| counts.classes_of(shot).len()), shots, "ratio {ratio}");
        }
    }

    #[test]
    fn cifar100_at_ratio_100_has_the_published_count_of_every_class() {
        let published = [
            500, 477, 455, 434, 415, 396, 378, 361, 344, 328, 314, 299, 286, 273, 260, 248, 237, 226, 216,
            206, 197, 188, 179, 171, 163, 156, 149, 142, 135, 129, 123, 118, 112, 107, 102, 98, 93, 89, 85,
            81, 77, 74, 70, 67, 64, 61, 58, 56, 53, 51, 48, 46, 44, 42, 40, 38, 36, 35, 33, 32, 30, 29, 27,
            26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 15, 14, 13, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8,
            8, 7, 7, 7, 6, 6, 6, 6, 5, 5, 5, 5,
        ];
        assert_eq!(class_counts(100, 500, 100.0, Rounding::Trunc), published);
    }
}
