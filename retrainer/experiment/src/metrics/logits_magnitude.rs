//! Logits Magnitude and Regularized Standard Deviation of every class.

use super::{
    accumulator::{Accumulator, Report, Sample},
    groups::Groups,
    metric::{ByGroup, Metric, by_group, metric},
    per_class::PerClass,
};
use std::ops::Range;

/// M_k = mean logit of positives − mean logit of negatives (Eq. 4).
pub const LOGITS_MAGNITUDE: ByGroup = by_group!("logits_magnitude", Plain, Neither);
/// Standard deviation of M_k over classes / |mean|: 0 is balanced.
pub const MAGNITUDE_SPREAD: Metric = metric!("logits_magnitude.spread", Plain, Lower);
/// R_k = deviation of the positives' logits / M_k (Eq. 8).
pub(crate) const REGULARIZED_STD_POS: ByGroup = by_group!("regularized_std_pos", Plain, Neither);
/// R_k with the deviation of the negatives' logits.
pub(crate) const REGULARIZED_STD_NEG: ByGroup = by_group!("regularized_std_neg", Plain, Neither);
/// R_k with the deviation of all logits of the column.
pub(crate) const REGULARIZED_STD_ALL: ByGroup = by_group!("regularized_std_all", Plain, Neither);

/// Streaming first and second moments of every logit column, over all samples and over the positives.
///
/// Logits Magnitude M_k = mean{z_k(x) : y(x) = k} − mean{z_k(x) : y(x) ≠ k} (Eq. 4), column-wise over samples, not
/// over the other logits of one sample. Adding a constant to a column leaves it unchanged; scaling W and b by a scales it
/// by a. Regularized Standard Deviation R_k = σ_k / M_k (Eq. 8) with the population deviation σ_k. The paper does not
/// say of which logits: `pos` (its Fig. 2b grows from head to tail as this one does), `neg` and `all` are kept.
///
/// A class without positives or without negatives has no M; M = 0 has no R.
#[derive(Clone, Debug)]
pub(super) struct LogitsMagnitude {
    /// The first row: moments are taken about it, so that a large common offset costs no digits.
    reference: Vec<f32>,
    /// Σ (z − reference) of each column, and Σ (z − reference)².
    sums: Vec<f64>,
    squares: Vec<f64>,
    positive: Vec<Moments>,
    positive_exp: Vec<LogSumExp>,
    samples: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    n: u64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }

    /// Population standard deviation.
    fn deviation(&self) -> Option<f64> {
        let mean = self.mean()?;
        Some((self.squares / self.n as f64 - mean * mean).max(0.0).sqrt())
    }

    fn without(&self, other: &Self) -> Self {
        Self { n: self.n - other.n, sum: self.sum - other.sum, squares: self.squares - other.squares }
    }
}

/// Streaming ln Σ exp(x) that cannot overflow.
#[derive(Clone, Copy, Debug)]
struct LogSumExp {
    max: f64,
    /// Σ exp(x − max)
    sum: f64,
}

impl LogSumExp {
    const EMPTY: Self = Self { max: f64::NEG_INFINITY, sum: 0.0 };

    fn add(&mut self, x: f64) {
        if x > self.max {
            self.sum = self.sum * (self.max - x).exp() + 1.0;
            self.max = x;
        } else {
            self.sum += (x - self.max).exp();
        }
    }

    /// ln of the mean over n.
    fn log_mean(&self, n: u64) -> f64 {
        self.max + (self.sum / n as f64).ln()
    }
}

/// M and R of one class.
#[derive(Clone, Copy, Debug, Default)]
struct ClassMagnitude {
    positive_mean: Option<f64>,
    log_perturbation: Option<f64>,
    magnitude: Option<f64>,
    pos: Option<f64>,
    neg: Option<f64>,
    all: Option<f64>,
}

/// Columns whose sums fit into registers.
const BLOCK: usize = 8;

/// Adds one row to sums and squares of its columns about their references.
#[inline]
fn add(sums: &mut [f64], squares: &mut [f64], references: &[f32], row: &[f32]) {
    for (((sum, squares), &reference), &logit) in sums.iter_mut().zip(squares).zip(references).zip(row) {
        let logit = f64::from(logit) - f64::from(reference);
        *sum += logit;
        *squares += logit * logit;
    }
}

impl LogitsMagnitude {
    fn class(&self, class: usize, all: Moments, positive: &Moments) -> ClassMagnitude {
        let negative = all.without(positive);
        let Some((pos, neg)) = positive.mean().zip(negative.mean()) else {
            return ClassMagnitude::default();
        };
        let magnitude = pos - neg;
        let regularized =
            |moments: &Moments| Some(moments.deviation()? / magnitude).filter(|r| r.is_finite());
        ClassMagnitude {
            positive_mean: self.reference.get(class).map(|&reference| pos + f64::from(reference)),
            // Not negative (Jensen), but for rounding.
            log_perturbation: self
                .positive_exp
                .get(class)
                .map(|sum| (sum.log_mean(positive.n) - pos).max(0.0)),
            magnitude: Some(magnitude),
            pos: regularized(positive),
            neg: regularized(&negative),
            all: regularized(&all),
        }
    }
}

impl Accumulator for LogitsMagnitude {
    const METRICS: &'static [Metric] = &{
        let [magnitude, pos, neg, all] =
            [LOGITS_MAGNITUDE, REGULARIZED_STD_POS, REGULARIZED_STD_NEG, REGULARIZED_STD_ALL];
        [
            magnitude.all,
            magnitude.many,
            magnitude.medium,
            magnitude.few,
            MAGNITUDE_SPREAD,
            pos.all,
            pos.many,
            pos.medium,
            pos.few,
            neg.all,
            neg.many,
            neg.medium,
            neg.few,
            all.all,
            all.many,
            all.medium,
            all.few,
        ]
    };

    fn new(groups: &Groups) -> Self {
        let classes = groups.shots().len();
        Self {
            reference: Vec::new(),
            sums: vec![0.0; classes],
            squares: vec![0.0; classes],
            positive: vec![Moments::default(); classes],
            positive_exp: vec![LogSumExp::EMPTY; classes],
            samples: 0,
        }
    }

    /// Moments of the positives.
    #[inline]
    fn add(&mut self, &Sample { row, label, .. }: &Sample<'_>) {
        if self.reference.is_empty() {
            self.reference = row.to_vec();
        }
        let own = self.positive.get_mut(label).zip(row.get(label)).zip(self.reference.get(label));
        if let Some(((column, &logit), &reference)) = own {
            let logit = f64::from(logit) - f64::from(reference);
            column.n += 1;
            column.sum += logit;
            column.squares += logit * logit;
            if let Some(positive_exp) = self.positive_exp.get_mut(label) {
                positive_exp.add(logit);
            }
        }
    }

    /// Moments of all columns: [`BLOCK`] columns of all rows at a time, whose sums stay in registers; each in the order of the rows, so that it does
    /// not matter how many there are. Logits that are not finite make sums that are none.
    #[inline]
    fn add_rows(&mut self, rows: &[f32], columns: &Range<usize>, stride: usize) {
        let rows = || rows.chunks_exact(stride).filter_map(|row| row.get(columns.clone()));
        if let Some(first) = rows().next().filter(|_| self.reference.is_empty()) {
            self.reference = first.to_vec();
        }
        self.samples += rows().count() as u64;
        let (references, last_references) = self.reference.as_chunks::<BLOCK>();
        let (all_sums, last_sums) = self.sums.as_chunks_mut::<BLOCK>();
        let (all_squares, last_squares) = self.squares.as_chunks_mut::<BLOCK>();
        let blocks = all_sums.iter_mut().zip(all_squares).zip(references);
        for (place, ((all_sums, all_squares), references)) in blocks.enumerate() {
            let (mut sums, mut squares) = (*all_sums, *all_squares);
            for row in rows().filter_map(|row| row.get(place * BLOCK..)?.first_chunk::<BLOCK>()) {
                add(&mut sums, &mut squares, references, row);
            }
            (*all_sums, *all_squares) = (sums, squares);
        }
        for row in rows() {
            add(last_sums, last_squares, last_references, row.as_chunks::<BLOCK>().1);
        }
    }

    fn report(&self, groups: &Groups, report: &mut Report) {
        let Report { values, per_class } = report;
        let classes: Vec<_> = self
            .sums
            .iter()
            .zip(&self.squares)
            .zip(&self.positive)
            .enumerate()
            .map(|(class, ((&sum, &squares), positive))| {
                self.class(class, Moments { n: self.samples, sum, squares }, positive)
            })
            .collect();
        let column = |f: fn(&ClassMagnitude) -> Option<f64>| classes.iter().map(f).collect::<Vec<_>>();
        let magnitudes = column(|class| class.magnitude);
        values.set_each(LOGITS_MAGNITUDE, groups.means(&magnitudes));
        values.set(MAGNITUDE_SPREAD, spread(&magnitudes));
        per_class.positive_mean = PerClass::short_column(&column(|class| class.positive_mean));
        per_class.log_perturbation = PerClass::short_column(&column(|class| class.log_perturbation));
        per_class.logits_magnitude = PerClass::column(&magnitudes);
        let (pos, neg, all) =
            (column(|class| class.pos), column(|class| class.neg), column(|class| class.all));
        values.set_each(REGULARIZED_STD_POS, groups.means(&pos));
        values.set_each(REGULARIZED_STD_NEG, groups.means(&neg));
        values.set_each(REGULARIZED_STD_ALL, groups.means(&all));
        per_class.regularized_std_pos = PerClass::column(&pos);
        per_class.regularized_std_neg = PerClass::column(&neg);
        per_class.regularized_std_all = PerClass::column(&all);
    }
}

/// Population standard deviation over classes divided by |mean|: how far from balanced, free of scale.
fn spread(magnitudes: &[Option<f64>]) -> Option<f64> {
    let mut moments = Moments::default();
    for magnitude in magnitudes.iter().flatten() {
        moments.n += 1;
        moments.sum += magnitude;
        moments.squares += magnitude * magnitude;
    }
    Some(moments.deviation()? / moments.mean()?.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::testing::{COUNTS, assert_same, close, evaluate, labels, samples};
    use cache::{ClassId, Shot};
    use proptest::prelude::*;

    const LOGITS: [f32; 15] = [2., 0., 1., 3., 1., 0., 0., 4., 1., 1., 2., 0., 0., 1., 5.];

    #[test]
    fn magnitude_and_deviation_are_those_of_the_hand_computed_case() {
        // Column 0: positives 2, 3, negatives 0, 1, 0 -> M = 2.5 − 1/3; population deviations .5 and sqrt(2)/3.
        let metrics = evaluate(&[200, 50, 5], &LOGITS, &labels(&[0, 0, 1, 1, 2]));
        let magnitude = [13. / 6., 7. / 3., 4.5];
        let (pos, neg) = ([0.5, 1., 0.], [2_f64.sqrt() / 3., 2_f64.sqrt() / 3., 0.5]);
        for (k, shot) in Shot::ALL.into_iter().enumerate() {
            let get = |family: ByGroup| metrics.values.get(family.of(shot));
            close(get(LOGITS_MAGNITUDE), magnitude[k], 1e-14);
            close(get(REGULARIZED_STD_POS), pos[k] / magnitude[k], 1e-14);
            close(get(REGULARIZED_STD_NEG), neg[k] / magnitude[k], 1e-14);
            close(metrics.per_class.logits_magnitude[k].map(f64::from), magnitude[k], 1e-6);
        }
        close(metrics.values.get(LOGITS_MAGNITUDE.all), 3.0, 1e-14);
        // Spread: sqrt(mean of (−5/6)², (−2/3)², (3/2)²) / 3.
        close(metrics.values.get(MAGNITUDE_SPREAD), (122.0_f64 / 36. / 3.).sqrt() / 3., 1e-14);
        // R_all of column 0: deviation of 2, 3, 0, 1, 0 about 1.2.
        close(metrics.values.get(REGULARIZED_STD_ALL.many), 1.36_f64.sqrt() / magnitude[0], 1e-14);
    }

    #[test]
    fn positives_have_their_mean_and_the_logarithm_of_their_mean_exponential() {
        // Column 0: positives 2 and 3 -> ln((e^-.5 + e^.5) / 2) = ln cosh 0.5; column 2 has one positive, 5.
        let per_class = evaluate(&[200, 50, 5], &LOGITS, &labels(&[0, 0, 1, 1, 2])).per_class;
        assert_eq!(per_class.positive_mean, [Some(2.5), Some(3.0), Some(5.0)]);
        for (got, expected) in
            per_class.log_perturbation.iter().zip([0.5_f64.cosh().ln(), 1_f64.cosh().ln(), 0.])
        {
            close(got.map(f64::from), expected, 1e-5);
        }
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "logits are f32")]
    fn the_perturbation_of_normal_logits_is_half_their_variance() {
        // σ = 0.8: ln E[e^(z − μ)] = σ²/2 = 0.32. Box–Muller over radii and angles that fill the square evenly.
        let normal = |i: u32| {
            let (p, angle) = ((f64::from(i) + 0.5) / 4001.0, f64::from(i) * 0.618_033_988_749_895);
            (-2.0 * p.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
        };
        let logits: Vec<f32> =
            (0..4001).flat_map(|i| [(50.0 + 0.8 * normal(i)) as f32, 0.0]).chain([0.0, 1.0]).collect();
        let mut y = labels(&[0; 4001]);
        y.push(ClassId(1));
        let per_class = evaluate(&[200, 50], &logits, &y).per_class;
        close(per_class.log_perturbation[0].map(f64::from), 0.32, 0.01);
        close(per_class.positive_mean[0].map(f64::from), 50.0, 0.01);
    }

    proptest! {
        #[test]
        fn shifting_a_column_leaves_the_magnitude_unchanged((rows, y) in samples(), column in 0..3_usize, shift in -64_i8..64) {
            let shifted: Vec<f32> = rows.iter().flat_map(|row| {
                let mut row = *row;
                row[column] += f32::from(shift);
                row
            }).collect();
            let (before, after) = (evaluate(&COUNTS, rows.as_flattened(), &labels(&y)), evaluate(&COUNTS, &shifted, &labels(&y)));
            assert_same(&before, &after, "logits_magnitude")?;
            assert_same(&before, &after, "regularized_std")?;
        }

        #[test]
        fn scaling_all_logits_scales_the_magnitude_and_leaves_the_regularized_deviation((rows, y) in samples(), power in 0_i32..4) {
            let scale = 2_f32.powi(power);
            let scaled: Vec<f32> = rows.as_flattened().iter().map(|logit| logit * scale).collect();
            let (before, after) = (evaluate(&COUNTS, rows.as_flattened(), &labels(&y)), evaluate(&COUNTS, &scaled, &labels(&y)));
            assert_same(&before, &after, "regularized_std")?;
            let (before, after) = (before.per_class.logits_magnitude, after.per_class.logits_magnitude);
            for (before, after) in before.into_iter().zip(after) {
                prop_assert_eq!(before.map(|m| m * scale), after);
            }
        }
    }
}
