//! The random numbers of an augmented view, drawn on the CPU so that they are the same on every device.

use longtail::random;
use rand_chacha::rand_core::Rng;
use tch::{Device, TchError, Tensor};

/// Window and mirroring of N samples.
#[derive(Debug)]
pub struct Draws {
    /// First row of the window in the padded image `[N]` i64.
    pub top: Tensor,
    /// First column of the window `[N]` i64.
    pub left: Tensor,
    /// Whether the window is mirrored `[N]` bool.
    pub mirrored: Tensor,
}

impl Draws {
    /// The draws of samples `0..n`: a function of seed, purpose and index alone.
    ///
    /// Training uses the epoch as the index, a dump the number of the augmented view.
    ///
    /// # Errors
    /// libtorch's, when the device's memory is full.
    pub fn new(
        seed: u64,
        purpose: &str,
        index: u64,
        n: usize,
        pad: u8,
        device: Device,
    ) -> Result<Self, TchError> {
        let mut rng = random::stream(seed, purpose, index);
        let places = 2 * u64::from(pad) + 1;
        let (mut top, mut left, mut mirrored) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n {
            // The high bits of a 32-bit draw times the number of places: bias below 1e-8.
            top.push(i64::try_from((u64::from(rng.next_u32()) * places) >> 32).unwrap_or(0));
            left.push(i64::try_from((u64::from(rng.next_u32()) * places) >> 32).unwrap_or(0));
            mirrored.push(rng.next_u32() >> 31 == 1);
        }
        Ok(Self {
            top: Tensor::f_from_slice(&top)?.f_to(device)?,
            left: Tensor::f_from_slice(&left)?.f_to(device)?,
            mirrored: Tensor::f_from_slice(&mirrored)?.f_to(device)?,
        })
    }

    /// The draws of the samples in `rows` `[B]` i64.
    ///
    /// # Errors
    /// libtorch's, also for a row outside.
    pub fn select(&self, rows: &Tensor) -> Result<Self, TchError> {
        Ok(Self {
            top: self.top.f_index_select(0, rows)?,
            left: self.left.f_index_select(0, rows)?,
            mirrored: self.mirrored.f_index_select(0, rows)?,
        })
    }

    /// The draws of the samples `start..start + length`.
    ///
    /// # Errors
    /// libtorch's, also for a range outside.
    pub fn range(&self, start: i64, length: i64) -> Result<Self, TchError> {
        Ok(Self {
            top: self.top.f_narrow(0, start, length)?,
            left: self.left.f_narrow(0, start, length)?,
            mirrored: self.mirrored.f_narrow(0, start, length)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(index: u64) -> (Vec<i64>, Vec<i64>, Vec<bool>) {
        let draws = Draws::new(5, "view", index, 9000, 4, Device::Cpu).unwrap();
        let numbers = |tensor: &Tensor| Vec::<i64>::try_from(tensor).unwrap();
        (numbers(&draws.top), numbers(&draws.left), Vec::<bool>::try_from(&draws.mirrored).unwrap())
    }

    /// 9,000 draws over 9 places: 1,000 ± 30 each (one standard deviation); half mirrored, ± 47.
    #[test]
    fn all_windows_are_equally_likely() {
        let (top, left, mirrored) = draws(0);
        for place in 0..9 {
            for side in [&top, &left] {
                let count = side.iter().filter(|&&value| value == place).count();
                assert!(count.abs_diff(1000) < 150, "{place}: {count}");
            }
        }
        assert!(mirrored.iter().filter(|&&value| value).count().abs_diff(4500) < 250);
        assert_ne!(top, left);
    }

    #[test]
    fn an_index_gives_the_same_draws_again_and_another_index_others() {
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1).0, draws(2).0);
    }
}
