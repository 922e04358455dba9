//! Which samples an epoch sees, in which order: a function of (sampler, seed, epoch), the same on every device.

use crate::methods::Sampler;
use shared::random::{permutation, stream};

/// The sample order of an epoch.
///
/// A full batch is read in row order: its sum does not depend on the order, and results are exactly repeatable then.
pub(super) fn epoch_order(
    sampler: Sampler,
    samples: usize,
    batch_size: usize,
    seed: u64,
    epoch: usize,
) -> Vec<u32> {
    match sampler {
        Sampler::InstanceBalanced if batch_size >= samples => (0_u32..).take(samples).collect(),
        Sampler::InstanceBalanced => permutation(&mut stream(seed, "sample order", epoch as u64), samples),
    }
}
