//! Evaluations in small for the tests of this module.

use super::{Evaluation, METRICS, Metrics};
use cache::{ClassCounts, ClassId};
use proptest::prelude::*;

pub(super) fn labels(labels: &[u32]) -> Vec<ClassId> {
    labels.iter().copied().map(ClassId).collect()
}

pub(super) fn evaluate(counts: &[u64], logits: &[f32], labels: &[ClassId]) -> Metrics {
    let mut evaluation = Evaluation::new(&ClassCounts::new(counts.to_vec()).unwrap());
    evaluation.update(logits, labels).unwrap();
    evaluation.finish()
}

pub(super) fn close(got: Option<f64>, expected: f64, tolerance: f64) {
    let got = got.unwrap();
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
}

/// Samples whose logits are multiples of 1/8 below 64: sums, shifts and scalings by powers of two are exact in f32.
pub(super) fn samples() -> impl Strategy<Value = (Vec<[f32; 3]>, Vec<u32>)> {
    (2_usize..40).prop_flat_map(|n| {
        let logit = (-512_i16..512).prop_map(|z| f32::from(z) / 8.0);
        (
            proptest::collection::vec(proptest::array::uniform3(logit), n),
            proptest::collection::vec(0_u32..3, n),
        )
    })
}

/// The metrics whose names begin so agree to 1e-9 of their value.
pub(super) fn assert_same(left: &Metrics, right: &Metrics, prefix: &str) -> Result<(), TestCaseError> {
    for metric in METRICS.iter().filter(|metric| metric.name.starts_with(prefix)) {
        match (left.values.get(*metric), right.values.get(*metric)) {
            (Some(l), Some(r)) => {
                prop_assert!((l - r).abs() <= 1e-9 * (1.0 + l.abs()), "{}: {l} {r}", metric.name);
            }
            (l, r) => {
                prop_assert_eq!(l, r);
            }
        }
    }
    Ok(())
}

/// A class of each group.
pub(super) const COUNTS: [u64; 3] = [200, 50, 5];
