//! Features that are still on the device.

use std::ops::Range;
use tch::{Device, TchError, Tensor};

/// Rows that are fetched from a GPU at a time.
const ROWS_AT_ONCE: usize = 4096;

/// Consecutive batches that the device has been given and nobody has waited for: a GPU stands still while its results are
/// fetched, so it is asked for those of several batches at once.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// What the batches take together.
    cut: Range<usize>,
    features: Vec<Tensor>,
}

impl Waiting {
    pub(super) fn push(&mut self, cut: Range<usize>, features: Tensor) {
        self.cut = if self.features.is_empty() { cut } else { self.cut.start..cut.end };
        self.features.push(features);
    }

    /// Whether it is time to wait: on a CPU after each batch, whose features are there already.
    pub(super) fn is_full(&self) -> bool {
        let on_cpu = self.features.first().is_some_and(|features| features.device() == Device::Cpu);
        on_cpu || self.cut.len() >= ROWS_AT_ONCE
    }

    /// What the batches take, and their features, `[rows, D]`, row-major; waits for the device.
    pub(super) fn take(&mut self) -> Result<(Range<usize>, Vec<f32>), TchError> {
        let Self { cut, features } = std::mem::take(self);
        let all = match features.as_slice() {
            [one] => one.shallow_clone(),
            several => Tensor::f_cat(several, 0)?,
        };
        Ok((cut, Vec::try_from(all.f_to(Device::Cpu)?.f_reshape([-1])?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_come_back_in_order_and_leave_nothing() {
        let mut waiting = Waiting::default();
        waiting.push(0..2, Tensor::from_slice2(&[[1_f32, 2.0], [3.0, 4.0]]));
        assert!(waiting.is_full(), "a CPU has done its work");
        waiting.push(2..3, Tensor::from_slice2(&[[5_f32, 6.0]]));
        assert_eq!(waiting.take().unwrap(), (0..3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert!(!waiting.is_full());
        waiting.push(3..4, Tensor::from_slice2(&[[7_f32, 8.0]]));
        assert_eq!(waiting.take().unwrap(), (3..4, vec![7.0, 8.0]));
    }
}
