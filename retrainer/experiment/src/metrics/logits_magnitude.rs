//! Logits Magnitude and Regularized Standard Deviation of every class.

use super::{groups::Groups, per_class::PerClass, values::MetricValues};
use std::ops::Range;

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
    pub(super) fn new(classes: usize) -> Self {
        Self {
            reference: Vec::new(),
            sums: vec![0.0; classes],
            squares: vec![0.0; classes],
            positive: vec![Moments::default(); classes],
            positive_exp: vec![LogSumExp::EMPTY; classes],
            samples: 0,
        }
    }

    /// The same samples for the moments of all columns, several rows of `stride` numbers of which `columns` are the head's.
    ///
    /// [`BLOCK`] columns of all rows at a time, whose sums stay in registers; each in the order of the rows, so that it does
    /// not matter how many there are. Logits that are not finite make sums that are none.
    #[inline]
    pub(super) fn add_columns(&mut self, rows: &[f32], columns: &Range<usize>, stride: usize) {
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

    /// One sample, for the moments of the positives; every logit is finite.
    pub(super) fn add_positive(&mut self, row: &[f32], label: usize) {
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

    pub(super) fn report(&self, groups: &Groups, values: &mut MetricValues, per_class: &mut PerClass) {
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
        values.set_groups("logits_magnitude", groups.means(&magnitudes));
        values.set("logits_magnitude.spread", spread(&magnitudes));
        per_class.positive_mean = PerClass::short_column(&column(|class| class.positive_mean));
        per_class.log_perturbation = PerClass::short_column(&column(|class| class.log_perturbation));
        per_class.logits_magnitude = PerClass::column(&magnitudes);
        let (pos, neg, all) =
            (column(|class| class.pos), column(|class| class.neg), column(|class| class.all));
        values.set_groups("regularized_std_pos", groups.means(&pos));
        values.set_groups("regularized_std_neg", groups.means(&neg));
        values.set_groups("regularized_std_all", groups.means(&all));
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
