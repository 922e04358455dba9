//! torchvision's `ColorJitter` without hue, with Pillow's arithmetic.

use crate::images::Rgb;
use longtail::random::{below, uniform_in};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Largest change of each property: its factor is uniform in 1 − x … 1 + x.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jitter {
    /// Towards black.
    pub brightness: f64,
    /// Towards the mean grey of the image.
    pub contrast: f64,
    /// Towards the grey of each pixel.
    pub saturation: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Brightness,
    Contrast,
    Saturation,
}

impl Jitter {
    /// `ColorJitter(0.4, 0.4, 0.4, 0)`, of published ImageNet-LT code.
    pub const IMAGENET_LT: Self = Self { brightness: 0.4, contrast: 0.4, saturation: 0.4 };

    /// Applies the three changes in a random order.
    pub(super) fn apply(&self, image: &mut Rgb, rng: &mut ChaCha8Rng) {
        for (step, factor) in self.draw(rng) {
            step.apply(image, factor);
        }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> [(Step, f64); 3] {
        let mut factor = |change: f64| uniform_in(rng, [(1.0 - change).max(0.0), 1.0 + change]);
        let mut steps = [
            (Step::Brightness, factor(self.brightness)),
            (Step::Contrast, factor(self.contrast)),
            (Step::Saturation, factor(self.saturation)),
        ];
        steps.swap(2, below(rng, 3));
        steps.swap(1, below(rng, 2));
        steps
    }
}

impl Step {
    fn apply(self, image: &mut Rgb, factor: f64) {
        match self {
            Self::Brightness => image.pixels.iter_mut().for_each(|value| *value = blend(0, *value, factor)),
            Self::Contrast => {
                let pixels = image.pixels.len() / 3;
                let sum: u64 = image.pixels.chunks_exact(3).map(|pixel| u64::from(grey(pixel))).sum();
                // ⌊mean + ½⌋
                let mean = (2 * sum + pixels as u64) / (2 * pixels as u64).max(1);
                let mean = u8::try_from(mean).unwrap_or(u8::MAX);
                image.pixels.iter_mut().for_each(|value| *value = blend(mean, *value, factor));
            }
            Self::Saturation => {
                for pixel in image.pixels.chunks_exact_mut(3) {
                    let grey = grey(pixel);
                    for value in pixel {
                        *value = blend(grey, *value, factor);
                    }
                }
            }
        }
    }
}

/// Pillow's conversion to `L`: ITU-R 601 in 16-bit fixed point.
fn grey(pixel: &[u8]) -> u8 {
    let weighted =
        pixel.iter().zip([19_595_u32, 38_470, 7_471]).map(|(&value, weight)| u32::from(value) * weight);
    u8::try_from((weighted.sum::<u32>() + 0x8000) >> 16).unwrap_or(u8::MAX)
}

/// Pillow's `Image.blend`: from + factor · (to − from), cut to a byte.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; Pillow truncates")]
fn blend(from: u8, to: u8, factor: f64) -> u8 {
    let (from, to) = (f32::from(from), f32::from(to));
    (from + factor as f32 * (to - from)).clamp(0.0, 255.0) as u8
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "colour-jitter({} {} {})", self.brightness, self.contrast, self.saturation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longtail::random::stream;
    use std::collections::BTreeMap;

    /// 6,000 draws: factors uniform in 0.6 … 1.4, each of the six orders 1,000 ± 29 times.
    #[test]
    fn factors_and_orders_are_uniform() {
        let mut rng = stream(0, "jitter", 0);
        let mut orders = BTreeMap::new();
        let mut sums = [0.0; 3];
        for _ in 0..6000 {
            let steps = Jitter::IMAGENET_LT.draw(&mut rng);
            *orders.entry(steps.map(|(step, _)| step as u8)).or_insert(0_u32) += 1;
            for (step, factor) in steps {
                assert!((0.6..1.4).contains(&factor));
                sums[step as usize] += factor;
            }
        }
        assert_eq!(orders.len(), 6);
        assert!(orders.values().all(|count| count.abs_diff(1000) < 150), "{orders:?}");
        assert!(sums.iter().all(|sum| (sum / 6000.0 - 1.0).abs() < 0.02), "{sums:?}"); // 0.003 standard deviation
    }

    /// Pillow: `ImageEnhance.Brightness`, `.Contrast`, `.Color` of a red and a grey pixel, factors 1.3 and 0.5.
    #[test]
    fn steps_are_the_blends_of_pillow() {
        let after = |step: Step, factor| {
            let mut image = Rgb { width: 2, height: 1, pixels: vec![200, 10, 10, 100, 100, 100] };
            step.apply(&mut image, factor);
            image.pixels
        };
        assert_eq!(after(Step::Brightness, 1.3), [255, 13, 13, 130, 130, 130]);
        assert_eq!(after(Step::Brightness, 0.5), [100, 5, 5, 50, 50, 50]);
        // Greys 67 and 100, mean 83.5, rounded to 84.
        assert_eq!(after(Step::Contrast, 0.5), [142, 47, 47, 92, 92, 92]);
        assert_eq!(after(Step::Saturation, 0.5), [133, 38, 38, 100, 100, 100]);
    }
}
