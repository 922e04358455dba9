//! The learning rate of each epoch.

use std::f64::consts::PI;

/// Half a cosine from `lr` towards zero: lr · (1 + cos(π · epoch / epochs)) / 2.
///
/// Epochs count from zero, so the first runs at `lr` and the last just above zero: PyTorch's `CosineAnnealingLR` stepped
/// after each epoch.
pub fn cosine(lr: f64, epoch: u32, epochs: u32) -> f64 {
    0.5 * lr * (1.0 + (PI * f64::from(epoch) / f64::from(epochs.max(1))).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.optim.lr_scheduler.CosineAnnealingLR(SGD([p], lr=0.01), T_max=4)`, `get_last_lr()` before each `step()`.
    #[test]
    fn values_are_those_of_pytorch() {
        let expected = [0.01, 0.008_535_533_905_932_738, 0.005, 0.001_464_466_094_067_262_7];
        for (epoch, expected) in (0..).zip(expected) {
            assert!((cosine(0.01, epoch, 4) - expected).abs() < 1e-15);
        }
    }
}
