//! Samples and hits of every class.

use super::{class_sizes::ClassSizes, groups::Groups};
use cache::Shot;

/// Counts of samples and of those that are right, class by class.
#[derive(Clone, Debug)]
pub(super) struct ClassHits {
    samples: Vec<u64>,
    hits: Vec<u64>,
}

impl ClassHits {
    /// Nothing seen yet.
    pub(super) fn new(classes: usize) -> Self {
        Self { samples: vec![0; classes], hits: vec![0; classes] }
    }

    /// One sample of a class.
    #[inline]
    pub(super) fn add(&mut self, class: usize, right: bool) {
        if let Some((samples, hits)) = self.samples.get_mut(class).zip(self.hits.get_mut(class)) {
            *samples += 1;
            *hits += u64::from(right);
        }
    }

    pub(super) fn samples(&self) -> &[u64] {
        &self.samples
    }

    pub(super) fn hits(&self) -> &[u64] {
        &self.hits
    }

    /// Share of hits of every class; `None` for a class without sample.
    pub(super) fn rates(&self) -> Vec<Option<f64>> {
        let ratio = |(&hits, &samples): (&u64, &u64)| (samples > 0).then(|| hits as f64 / samples as f64);
        self.hits.iter().zip(&self.samples).map(ratio).collect()
    }

    /// Means of the classes' shares over all, many, medium and few classes; `None` without a sample.
    pub(super) fn means(&self, groups: &Groups) -> [Option<f64>; 4] {
        let mean = |member: &dyn Fn(Shot) -> bool| {
            let samples = self.samples.iter().zip(groups.shots());
            let samples: Vec<u64> = samples.map(|(&n, &shot)| if member(shot) { n } else { 0 }).collect();
            ClassSizes::new(&samples).mean_of_classes(&self.hits)
        };
        let [many, medium, few] = Shot::ALL.map(|shot| mean(&|other| other == shot));
        [mean(&|_| true), many, medium, few]
    }
}
