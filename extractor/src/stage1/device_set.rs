//! A whole split on the device, as bytes: 32×32 images need no loader.

use crate::{ExtractError, datasets::ImageSet, weights::tensor_from_bytes};
use tch::{Device, Kind, TchError, Tensor};

/// The images and labels of a split.
#[derive(Debug)]
pub struct DeviceSet {
    /// `[N, 3, H, W]` u8.
    pub pixels: Tensor,
    /// `[N]` i64.
    pub labels: Tensor,
}

impl DeviceSet {
    /// Copies a split to the device.
    ///
    /// # Errors
    /// [`ExtractError::Torch`] when the device's memory is full, or the pixels do not fill the shape.
    pub fn new(images: &ImageSet, device: Device) -> Result<Self, ExtractError> {
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let shape = [size(images.len()), 3, size(images.height), size(images.width)];
        let labels: Vec<i64> = images.labels.iter().map(|label| i64::from(label.0)).collect();
        let copy = || -> Result<Self, TchError> {
            Ok(Self {
                pixels: tensor_from_bytes(&images.pixels, &shape, Kind::Uint8)?.f_to(device)?,
                labels: Tensor::f_from_slice(&labels)?.f_to(device)?,
            })
        };
        copy().map_err(ExtractError::torch("copy the images to the device"))
    }

    /// Number of images N.
    pub fn len(&self) -> i64 {
        self.labels.size().first().copied().unwrap_or(0)
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
