//! From stored pixels to what a backbone sees, on whole batches on the device; one file for each step.

mod crop;
mod draws;
mod flip;
mod normalise;

pub use crop::crop;
pub use draws::Draws;
pub use flip::{flip, flip_where};
pub use normalise::Normalise;

use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// The three ways in which an image reaches the backbone.
///
/// Images are `[B, 3, H, W]` u8 on any device; results are `[B, 3, H, W]` f32 on the same device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// Zero pixels on every side before a random crop of the original size.
    pub pad: u8,
    /// The last step of every view.
    pub normalise: Normalise,
}

impl Transform {
    /// What published CIFAR-100-LT code trains with: pad 4, crop 32, mirror half of the images.
    ///
    /// # Source
    /// Alshammari et al. 2022 (LTR weight balancing) and the code of LORT; both normalise CIFAR-100 with the numbers of CIFAR-10.
    pub const CIFAR: Self = Self { pad: 4, normalise: Normalise::CIFAR };

    /// The image as it is.
    ///
    /// # Errors
    /// libtorch's.
    pub fn clean(&self, images: &Tensor) -> Result<Tensor, TchError> {
        self.normalise.apply(images)
    }

    /// The mirrored image.
    ///
    /// # Errors
    /// libtorch's.
    pub fn flipped(&self, images: &Tensor) -> Result<Tensor, TchError> {
        self.normalise.apply(&flip(images)?)
    }

    /// A random crop, mirrored half of the time; `draws` has one row for each image.
    ///
    /// # Errors
    /// libtorch's, also when `draws` has another number of rows.
    pub fn augmented(&self, images: &Tensor, draws: &Draws) -> Result<Tensor, TchError> {
        let cropped = crop(images, i64::from(self.pad), &draws.top, &draws.left)?;
        self.normalise.apply(&flip_where(&cropped, &draws.mirrored)?)
    }

    /// [`Transform::clean`] as a string of steps.
    pub fn describe_clean(&self) -> String {
        self.normalise.to_string()
    }

    /// [`Transform::flipped`] as a string of steps.
    pub fn describe_flipped(&self) -> String {
        format!("flip|{}", self.normalise)
    }

    /// [`Transform::augmented`] as a string of steps, for images of `height` × `width`.
    pub fn describe_augmented(&self, height: usize, width: usize) -> String {
        let size = if height == width { height.to_string() } else { format!("{height}x{width}") };
        format!("crop({size},pad={})|flip(0.5)|{}", self.pad, self.normalise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_name_every_step() {
        let normalise = "normalise(0.4914 0.4822 0.4465,0.2023 0.1994 0.201)";
        assert_eq!(Transform::CIFAR.describe_clean(), normalise);
        assert_eq!(Transform::CIFAR.describe_flipped(), format!("flip|{normalise}"));
        assert_eq!(
            Transform::CIFAR.describe_augmented(32, 32),
            format!("crop(32,pad=4)|flip(0.5)|{normalise}")
        );
    }
}
