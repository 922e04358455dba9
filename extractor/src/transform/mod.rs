//! From stored pixels to what a backbone sees; one file for each step.
//!
//! Small images of one size are changed in whole batches on the device. Photographs become squares of one size first, one by
//! one on the CPU ([`Photo`]); only their last step, normalisation, is the device's.

mod crop;
mod draws;
mod flip;
mod jitter;
mod normalise;
mod photo;

pub use crop::crop;
pub use draws::Draws;
pub use flip::{flip, flip_where};
pub use jitter::Jitter;
pub use normalise::Normalise;
pub use photo::{Fit, Interpolation, Photo};

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
    /// What makes photographs squares of one size, in place of padding and cropping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<Photo>,
}

impl Transform {
    /// What published CIFAR-100-LT code trains with: pad 4, crop 32, mirror half of the images.
    ///
    /// # Source
    /// Alshammari et al. 2022 (LTR weight balancing) and the code of LORT; both normalise CIFAR-100 with the numbers of CIFAR-10.
    pub const CIFAR: Self = Self { pad: 4, normalise: Normalise::CIFAR, photo: None };

    /// Photographs: Resize 256 and CenterCrop 224, RandomResizedCrop 224 and a flip, with ImageNet's normalisation.
    ///
    /// # Source
    /// Kang et al. 2020 (classifier-balancing), for Places-LT and as torchvision's reference training.
    pub const PHOTOGRAPHS: Self = Self::photographs(256, 224, Interpolation::Bilinear, Normalise::IMAGENET);

    /// [`Transform::PHOTOGRAPHS`], bicubic: DeiT, DINO, DINOv2, ConvNeXt.
    pub const IMAGENET_BICUBIC: Self =
        Self::photographs(256, 224, Interpolation::Bicubic, Normalise::IMAGENET);

    /// [`Transform::PHOTOGRAPHS`] with `ColorJitter(0.4, 0.4, 0.4, 0)`.
    ///
    /// # Source
    /// Liu et al. 2019 (OLTR) and Kang et al. 2020, ImageNet-LT.
    pub const IMAGENET_LT: Self = Self {
        photo: Some(Photo { jitter: Some(Jitter::IMAGENET_LT), ..Photo::new(256, 224) }),
        ..Self::PHOTOGRAPHS
    };

    /// [`Transform::PHOTOGRAPHS`] with the normalisation of iNaturalist 2018.
    pub const INATURALIST18: Self = Self { normalise: Normalise::INATURALIST18, ..Self::PHOTOGRAPHS };

    /// Resize and CenterCrop to these sides.
    pub const fn photographs(
        resize: usize,
        crop: usize,
        interpolation: Interpolation,
        normalise: Normalise,
    ) -> Self {
        Self { pad: 0, normalise, photo: Some(Photo { interpolation, ..Photo::new(resize, crop) }) }
    }

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
        self.photo
            .iter()
            .map(Photo::describe_clean)
            .chain([self.normalise.to_string()])
            .collect::<Vec<_>>()
            .join("|")
    }

    /// The transform of such a string; what only training views have is absent. `None` for other steps.
    pub(crate) fn from_clean(steps: &str) -> Option<Self> {
        let (photo, last) = match steps.rsplit_once('|') {
            Some((photo, last)) => (Some(Photo::from_clean(photo)?), last),
            None => (None, steps),
        };
        Some(Self { pad: 0, normalise: last.parse().ok()?, photo })
    }

    /// [`Transform::flipped`] as a string of steps.
    pub fn describe_flipped(&self) -> String {
        match &self.photo {
            Some(photo) => format!("{}|flip|{}", photo.describe_clean(), self.normalise),
            None => format!("flip|{}", self.normalise),
        }
    }

    /// [`Transform::augmented`] as a string of steps, for images of `height` × `width` where nothing makes them one size.
    pub fn describe_augmented(&self, height: usize, width: usize) -> String {
        if let Some(photo) = &self.photo {
            return format!("{photo}|{}", self.normalise);
        }
        let size = if height == width { height.to_string() } else { format!("{height}x{width}") };
        format!("crop({size},pad={})|flip(0.5)|{}", self.pad, self.normalise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_clean_view_are_read_back() {
        let photo = Photo { fit: Fit::Squash, interpolation: Interpolation::Bicubic, ..Photo::new(36, 32) };
        for transform in [
            Transform::PHOTOGRAPHS,
            Transform::INATURALIST18,
            Transform::IMAGENET_BICUBIC,
            Transform { photo: Some(photo), ..Transform::PHOTOGRAPHS },
            Transform { pad: 0, ..Transform::CIFAR },
        ] {
            assert_eq!(Transform::from_clean(&transform.describe_clean()), Some(transform));
        }
        for steps in [
            "imported",
            "",
            "resize(a)|centre-crop(3)|normalise(0 0 0,1 1 1)",
            "resize(4)|turn|centre-crop(3)|normalise(0 0 0,1 1 1)",
            "normalise(0 0,1 1 1)",
        ] {
            assert_eq!(Transform::from_clean(steps), None, "{steps}");
        }
    }

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
