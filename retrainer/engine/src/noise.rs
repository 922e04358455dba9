//! Noise on logits: a function of (seed, epoch, place in the epoch), the same on every device and in every group.

use super::error::TrainError;
use longtail::random::{stream, uniform};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};
use torch::numbers::{from_f64, size};

/// Where the noise of a step comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoiseSource {
    pub(super) seed: u64,
    pub(super) epoch: usize,
}

impl NoiseSource {
    /// `min(|ε|, 1)` with ε ~ N(0, 1/3) for `rows` samples from the `first` of the epoch on, `[B, 1, C]`: of each class its own.
    ///
    /// # Source
    /// Li et al. 2022 (GCL), their code: standard deviation 1/3, of whose draws 0.3 % are beyond 1.
    pub(super) fn clouds(
        self,
        first: usize,
        rows: usize,
        classes: usize,
        device: Device,
    ) -> Result<Tensor, TrainError> {
        // Epochs of more than 2³² samples fit into no record of an order.
        let place = (self.epoch as u64) << 32 | (first as u64 & u64::from(u32::MAX));
        let mut rng = stream(self.seed, "logit noise", place);
        let mut draws = Vec::with_capacity(rows * classes + 1);
        while draws.len() < rows * classes {
            draws.extend(normals(&mut rng).map(|normal| (normal / 3.0).abs().min(1.0)));
        }
        draws.truncate(rows * classes);
        Ok(from_f64(&draws, &[size(rows), 1, size(classes)], device)?)
    }
}

/// Two independent standard normal numbers (Box and Muller 1958).
fn normals(rng: &mut ChaCha8Rng) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt();
    let (sine, cosine) = (std::f64::consts::TAU * uniform(rng)).sin_cos();
    [radius * cosine, radius * sine]
}

#[cfg(test)]
mod tests {
    use super::*;
    use torch::numbers::to_f32;

    #[test]
    fn noise_has_the_mean_of_clipped_normals_and_is_that_of_its_place() {
        let draws = |epoch, first| {
            to_f32(&NoiseSource { seed: 3, epoch }.clouds(first, 400, 250, Device::Cpu).unwrap()).unwrap()
        };
        let one = draws(0, 0);
        assert_eq!((one.len(), &one), (100_000, &draws(0, 0)));
        assert!(one.iter().all(|draw| (0.0..=1.0).contains(draw)));
        let mean = |power: i32| one.iter().map(|&draw| f64::from(draw).powi(power)).sum::<f64>() / 1e5;
        // E min(|N(0, 1/3)|, 1) = 0.2657067508 and E min(N², 1) = 0.1108 by quadrature; standard errors are 6e-4 and 5e-4.
        assert!((mean(1) - 0.265_706_75).abs() < 3e-3, "{}", mean(1));
        assert!((mean(2) - 0.1108).abs() < 3e-3, "{}", mean(2));
        for other in [draws(1, 0), draws(0, 400)] {
            assert!(one.iter().zip(&other).filter(|(a, b)| a == b).count() < 1000);
        }
    }
}
