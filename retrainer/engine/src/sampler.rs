//! Which samples an epoch sees, in which order: a function of (sampler, seed, epoch), the same on every device.
//!
//! An order that goes on from epoch to epoch (the class-aware cycles) is drawn epoch by epoch, from the first one on.

use cache::ClassId;
use experiment::methods::Sampler;
use longtail::random::{permutation, stream, uniform};
use rand_chacha::ChaCha8Rng;

/// Samples of one class that a class-aware sampler takes in a row.
///
/// # Source
/// Kang et al. 2020, `num_samples_cls` of their code.
const SAMPLES_IN_A_ROW: usize = 4;

/// The training rows of each class that has any.
#[derive(Debug)]
pub(super) struct RowsByClass(Vec<Vec<u32>>);

impl RowsByClass {
    pub(super) fn new(labels: &[ClassId], classes: usize) -> Self {
        let mut rows = vec![Vec::new(); classes];
        for (row, label) in (0_u32..).zip(labels) {
            if let Some(rows) = rows.get_mut(label.index()) {
                rows.push(row);
            }
        }
        rows.retain(|rows| !rows.is_empty());
        Self(rows)
    }
}

/// The sample orders of a run, epoch by epoch.
///
/// A full batch of instance-balanced samples is read in row order: its sum does not depend on the order, and results are
/// exactly repeatable then.
#[derive(Debug)]
pub(super) struct SampleOrders<'data> {
    sampler: Sampler,
    rows: &'data RowsByClass,
    samples: usize,
    batch_size: usize,
    seed: u64,
    /// Epochs drawn.
    epoch: u64,
    /// What the class-aware sampler goes on from.
    cycles: Option<ClassCycles>,
}

impl<'data> SampleOrders<'data> {
    /// Orders of `samples` rows in batches of `batch_size`.
    pub(super) fn new(
        sampler: Sampler,
        rows: &'data RowsByClass,
        samples: usize,
        batch_size: usize,
        seed: u64,
    ) -> Self {
        Self { sampler, rows, samples, batch_size, seed, epoch: 0, cycles: None }
    }

    /// The order of the next epoch.
    pub(super) fn next_epoch(&mut self) -> Vec<u32> {
        let mut rng = stream(self.seed, "sample order", self.epoch);
        self.epoch += 1;
        match self.sampler {
            Sampler::InstanceBalanced if self.batch_size >= self.samples => {
                (0_u32..).take(self.samples).collect()
            }
            Sampler::InstanceBalanced => permutation(&mut rng, self.samples),
            Sampler::Power(exponent) => power(self.rows, self.samples, exponent.get(), &mut rng),
            Sampler::ClassAware => {
                // Whole batches only, as published; a batch of N or more is one epoch of N.
                let batches = (self.samples / self.batch_size.max(1)).max(1);
                let draws = batches * self.batch_size.min(self.samples);
                self.cycles.get_or_insert_with(|| ClassCycles::new(self.rows, rng)).draw(self.rows, draws)
            }
        }
    }
}

/// N draws with replacement, P(class) ∝ n^q and all samples of a class alike.
fn power(RowsByClass(rows): &RowsByClass, samples: usize, exponent: f64, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let ends: Vec<f64> = rows
        .iter()
        .scan(0.0, |end, rows| {
            *end += (rows.len() as f64).powf(exponent);
            Some(*end)
        })
        .collect();
    let total = ends.last().copied().unwrap_or(0.0);
    let draw = |rng: &mut ChaCha8Rng| {
        let at = uniform(rng) * total;
        let class = ends.partition_point(|&end| end <= at).min(rows.len().saturating_sub(1));
        let rows = rows.get(class)?;
        rows.get(index(uniform(rng), rows.len())).copied()
    };
    (0..samples).filter_map(|_| draw(rng)).collect()
}

/// Cycles through classes in shuffled order; each visit takes the next samples of the class's own shuffled cycle.
///
/// Cycles go on from epoch to epoch, as the iterators of Kang et al.'s sampler do: every class is visited before one is
/// visited again, and every sample of a class is seen before one is seen again, over the whole run.
#[derive(Debug)]
struct ClassCycles {
    rng: ChaCha8Rng,
    classes: Cycle,
    samples: Vec<Cycle>,
}

impl ClassCycles {
    fn new(RowsByClass(rows): &RowsByClass, mut rng: ChaCha8Rng) -> Self {
        let classes = Cycle::new(rows.len(), &mut rng);
        let samples = rows.iter().map(|rows| Cycle::new(rows.len(), &mut rng)).collect();
        Self { rng, classes, samples }
    }

    fn draw(&mut self, RowsByClass(rows): &RowsByClass, draws: usize) -> Vec<u32> {
        let mut order = Vec::with_capacity(draws);
        while order.len() < draws && !rows.is_empty() {
            let class = self.classes.next(&mut self.rng);
            let (Some(rows), Some(cycle)) = (rows.get(class), self.samples.get_mut(class)) else { break };
            for _ in 0..SAMPLES_IN_A_ROW.min(draws - order.len()) {
                order.extend(rows.get(cycle.next(&mut self.rng)));
            }
        }
        order
    }
}

/// An endless walk through 0 … n − 1, shuffled anew when it has been through.
#[derive(Debug)]
struct Cycle {
    order: Vec<u32>,
    position: usize,
}

impl Cycle {
    fn new(length: usize, rng: &mut ChaCha8Rng) -> Self {
        Self { order: permutation(rng, length), position: 0 }
    }

    fn next(&mut self, rng: &mut ChaCha8Rng) -> usize {
        if self.position == self.order.len() {
            self.order = permutation(rng, self.order.len());
            self.position = 0;
        }
        self.position += 1;
        self.order.get(self.position - 1).copied().unwrap_or(0) as usize
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length, floored")]
fn index(share: f64, length: usize) -> usize {
    (share * length as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiment::methods::Exact;

    const COUNTS: [usize; 4] = [800, 150, 40, 10];

    fn labels() -> Vec<ClassId> {
        (0_u32..).zip(COUNTS).flat_map(|(class, count)| vec![ClassId(class); count]).collect()
    }

    /// How often each class is seen in some epochs.
    fn seen(sampler: Sampler, epochs: usize) -> Vec<f64> {
        let (labels, mut counts) = (labels(), vec![0.0; 4]);
        let rows = RowsByClass::new(&labels, 4);
        let mut orders = SampleOrders::new(sampler, &rows, labels.len(), 64, 3);
        for _ in 0..epochs {
            let order = orders.next_epoch();
            for &row in &order {
                counts[labels[row as usize].index()] += 1.0 / (order.len() * epochs) as f64;
            }
        }
        counts
    }

    #[test]
    fn class_probabilities_are_powers_of_the_class_sizes() {
        for q in [0.0, 0.5, 1.0] {
            let powers = COUNTS.map(|n| (n as f64).powf(q));
            let total: f64 = powers.iter().sum();
            for (share, power) in seen(Sampler::Power(Exact::new(q)), 50).iter().zip(powers) {
                // 50,000 draws: five standard deviations are at most 0.011.
                assert!((share - power / total).abs() < 0.011, "q {q}: {share} {}", power / total);
            }
        }
    }

    #[test]
    fn the_class_aware_sampler_takes_four_samples_of_each_class_in_turn() {
        let labels = labels();
        let rows = RowsByClass::new(&labels, 4);
        let order = SampleOrders::new(Sampler::ClassAware, &rows, labels.len(), 64, 0).next_epoch();
        // Whole batches only.
        assert_eq!(order.len(), 1000 / 64 * 64);
        for visit in order.chunks(4) {
            assert!(visit.iter().all(|&row| labels[row as usize] == labels[visit[0] as usize]));
        }
        for cycle in order.chunks_exact(16) {
            let mut classes: Vec<_> = cycle.chunks(4).map(|visit| labels[visit[0] as usize]).collect();
            classes.sort_unstable();
            classes.dedup();
            assert_eq!(classes.len(), 4);
        }
        // No sample of a class twice before all were seen once: class 3 has 10 samples.
        let smallest: Vec<u32> =
            order.iter().copied().filter(|&row| labels[row as usize] == ClassId(3)).collect();
        let mut first = smallest[..10].to_vec();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 10);
        assert!(seen(Sampler::ClassAware, 1).iter().all(|share| (share - 0.25).abs() < 0.01));
    }

    /// One sampler object serves all epochs of the published code, and its iterators go on.
    #[test]
    fn class_aware_cycles_go_on_across_epochs() {
        let labels = labels();
        let rows = RowsByClass::new(&labels, 4);
        // 900 draws an epoch are 225 visits: the second epoch begins with the second class of a cycle of four.
        let mut orders = SampleOrders::new(Sampler::ClassAware, &rows, labels.len(), 300, 5);
        let epochs: Vec<u32> = (0..7).flat_map(|_| orders.next_epoch()).collect();
        assert_eq!(epochs.len(), 7 * 900);
        for cycle in epochs.chunks_exact(16) {
            let mut classes: Vec<_> = cycle.chunks(4).map(|visit| labels[visit[0] as usize]).collect();
            classes.sort_unstable();
            classes.dedup();
            assert_eq!(classes.len(), 4);
        }
        for class in [ClassId(2), ClassId(3)] {
            let seen: Vec<u32> =
                epochs.iter().copied().filter(|&row| labels[row as usize] == class).collect();
            for cycle in seen.chunks_exact(COUNTS[class.index()]) {
                let mut cycle = cycle.to_vec();
                cycle.sort_unstable();
                cycle.dedup();
                assert_eq!(cycle.len(), COUNTS[class.index()], "class {class}");
            }
        }
    }

    #[test]
    fn an_epoch_is_a_function_of_seed_and_epoch() {
        let labels = labels();
        let rows = RowsByClass::new(&labels, 4);
        for sampler in [Sampler::InstanceBalanced, Sampler::Power(Exact::new(0.0)), Sampler::ClassAware] {
            let order = |seed, epoch| {
                let mut orders = SampleOrders::new(sampler, &rows, labels.len(), 64, seed);
                (0..=epoch).map(|_| orders.next_epoch()).last()
            };
            assert_eq!(order(1, 2), order(1, 2));
            assert_ne!(order(1, 2), order(1, 3));
            assert_ne!(order(1, 2), order(2, 2));
        }
    }
}
