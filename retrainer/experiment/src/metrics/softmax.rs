//! The passes over one row of logits that cost: its largest, and the sum of its exponentials.
//!
//! Both go over blocks of [`LANES`] numbers without a branch, which become vector instructions on every processor. The
//! arithmetic is that of the source, lane by lane, so that results are the same on all of them.

/// Numbers worked on at once.
const LANES: usize = 16;

/// The first of the largest logits and its value; `None` where a logit is not finite, or there is none.
#[inline]
pub(super) fn largest(row: &[f32]) -> Option<(usize, f32)> {
    let (blocks, rest) = row.as_chunks::<LANES>();
    let mut largest = [f32::NEG_INFINITY; LANES];
    // 0 · x is no number where x is not finite, and what is added to it stays none.
    let mut not_finite = [0.0_f32; LANES];
    for block in blocks {
        for ((largest, not_finite), &logit) in largest.iter_mut().zip(&mut not_finite).zip(block) {
            *largest = if logit > *largest { logit } else { *largest };
            *not_finite += logit * 0.0;
        }
    }
    let all = rest.iter().chain(&largest).fold(f32::NEG_INFINITY, |all, &logit| f32::max(all, logit));
    let finite = not_finite.iter().all(|&lane| lane == 0.0) && rest.iter().all(|logit| logit.is_finite());
    let holds = |block: &[f32; LANES]| block.iter().map(|&logit| u32::from(logit >= all)).sum::<u32>() > 0;
    let start = LANES * blocks.iter().position(holds).unwrap_or(blocks.len());
    let place = row.iter().skip(start).position(|&logit| logit >= all).filter(|_| finite)?;
    Some((start + place, all))
}

/// Σ exp(z − max) of a row whose largest logit is `max`: at least 1.
///
/// Each exponential is right to 2 units in the last place of f32; four of them are added in f32, and all else in f64.
#[inline]
pub(super) fn sum_of_exponentials(row: &[f32], max: f32) -> f64 {
    let (blocks, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0_f64; LANES / 4];
    for block in blocks {
        add_exponentials(&mut sums, block, max);
    }
    if !rest.is_empty() {
        // What is far below the largest adds less than 1e-36.
        let mut block = [f32::NEG_INFINITY; LANES];
        block.iter_mut().zip(rest).for_each(|(slot, &logit)| *slot = logit);
        add_exponentials(&mut sums, &block, max);
    }
    sums.iter().sum()
}

#[inline]
fn add_exponentials(sums: &mut [f64; LANES / 4], block: &[f32; LANES], max: f32) {
    // A loop: `map` of an array stays a call.
    let mut powers = *block;
    for power in &mut powers {
        *power = exp(*power - max);
    }
    let ([first, second, third, fourth], _) = powers.as_chunks::<{ LANES / 4 }>() else { return };
    for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(first).zip(second).zip(third).zip(fourth) {
        *sum += f64::from((a + b) + (c + d));
    }
}

/// e^x for x ≤ 0, without a branch; x below −87 counts as −87, which is as good as none beside the largest.
///
/// # Source
/// The polynomial of Cephes (`expf`, S. Moshier): e^x = 2^n e^r with n the nearest whole number of x / ln 2 and |r| ≤ ln 2 / 2.
#[inline]
fn exp(x: f32) -> f32 {
    const LEAST: f32 = -87.0;
    /// 1.5 · 2^23: what is added to it is rounded to a whole number, which then are the lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first of which times a small whole number is exact.
    const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_4e-4);
    let x = if x > LEAST { x } else { LEAST };
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    let r = x - n * LN_2.0 - n * LN_2.1;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p * r + coefficient;
    }
    let mantissa = p * (r * r) + r + 1.0;
    // The exponent's place in an f32.
    mantissa * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exponentials_are_those_of_f64_to_two_units_in_the_last_place() {
        for i in 0..=870_000_u32 {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "rounded once: both sides take the rounded number"
            )]
            let x = (f64::from(i) * -1e-4) as f32;
            let (got, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(
                (got / expected - 1.0).abs() < 2.0 * f64::from(f32::EPSILON),
                "{x}: {got} is not {expected}"
            );
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn ties_go_to_the_lower_class_and_a_row_that_is_not_finite_has_no_largest() {
        assert_eq!(largest(&[1.0, 3.0, 3.0]), Some((1, 3.0)));
        assert_eq!(largest(&[0.0, -0.0]), Some((0, 0.0)));
        assert_eq!(largest(&[]), None);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(largest(&[1.0, bad]), None);
            for place in 0..40 {
                let mut row = [1.0; 40];
                row[place] = bad;
                assert_eq!(largest(&row), None, "{bad} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn rows_of_any_length_have_the_largest_and_the_sum_of_plain_loops(
            row in proptest::collection::vec((-60_i16..60).prop_map(|z| f32::from(z) / 4.0), 1..70),
        ) {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let first = row.iter().position(|&logit| logit >= max).unwrap();
            prop_assert_eq!(largest(&row), Some((first, max)));
            let expected: f64 = row.iter().map(|&logit| f64::from(logit - max).exp()).sum();
            let got = sum_of_exponentials(&row, max);
            prop_assert!((got / expected - 1.0).abs() < 2e-7, "{} is not {}", got, expected);
        }
    }
}
