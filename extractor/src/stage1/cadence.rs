//! How often a run writes its checkpoint: an epoch of a large network on a GPU is done in seconds, and its checkpoint is not.

use std::time::{Duration, Instant};

/// When the last checkpoint was written, and how long that took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cadence {
    at: Instant,
    took: Duration,
}

impl Cadence {
    /// Share of the time that goes into checkpoints, at most.
    const SHARE: f64 = 0.05;

    /// Of a run that has written none: the first is always worth its time.
    pub(super) fn new() -> Self {
        Self { at: Instant::now(), took: Duration::ZERO }
    }

    /// A checkpoint was written just now.
    pub(super) fn saved(&mut self, took: Duration) {
        *self = Self { at: Instant::now(), took };
    }

    /// Whether another one, as long as the last, would keep to the share.
    pub(super) fn is_worth_another(self) -> bool {
        self.took.as_secs_f64() <= Self::SHARE * self.at.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_take_a_twentieth_of_the_time_and_the_first_is_written_at_once() {
        assert!(Cadence::new().is_worth_another());
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        let took = Duration::from_secs(1);
        assert!(Cadence { at: ago(21), took }.is_worth_another());
        assert!(!Cadence { at: ago(10), took }.is_worth_another());
    }
}
