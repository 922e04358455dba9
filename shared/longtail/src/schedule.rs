//! Learning rates over epochs.

use std::f64::consts::PI;

/// The factor of the learning rate in an epoch, from 0, of half a cosine towards zero: `(1 + cos(π · epoch / epochs)) / 2`.
///
/// The first epoch runs at 1 and the last just above 0, as with PyTorch's `CosineAnnealingLR` stepped after each epoch.
pub fn cosine(epoch: f64, epochs: f64) -> f64 {
    f64::midpoint(1.0, (PI * epoch / epochs.max(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_starts_at_one_and_would_reach_zero_after_the_last_epoch() {
        // torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=20), stepped after the epoch: get_last_lr() / lr.
        for (epoch, expected) in
            [(0.0, 1.0), (1.0, 0.993_844_170_297_569), (10.0, 0.5), (19.0, 0.006_155_829_702_431_115)]
        {
            let got = cosine(epoch, 20.0);
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
    }
}
