//! Class counts and comparisons that the tests of several methods share.

use cache::ClassCounts;

/// CIFAR100-LT with imbalance ratio 100: `trunc(500 · 0.01^{k/99})`.
pub(super) fn cifar100_lt() -> ClassCounts {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts from 500 down to 5")]
    let count = |k: u32| (500.0 * 0.01_f64.powf(f64::from(k) / 99.0)) as u64;
    ClassCounts::new((0..100).map(count).collect()).unwrap()
}

/// The entries at k = 0, 50, 99.
pub(super) fn first_middle_last(values: &[f64]) -> [f64; 3] {
    [values[0], values[50], values[99]]
}

/// Asserts that numbers agree to a relative tolerance.
pub(super) fn close<const N: usize>(got: [f64; N], expected: [f64; N], tolerance: f64) {
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= tolerance * expected.abs().max(1.0), "{got} {expected}");
    }
}
