//! A whole split on the device, as bytes: 32×32 images need no loader.

use super::Look;
use crate::{
    datasets::PixelSet,
    transform::{Draws, Transform},
};
use tch::{Device, Kind, TchError, Tensor};
use torch::bytes::tensor_from_bytes;

/// `[N, 3, H, W]` u8 on the device.
#[derive(Debug)]
pub(super) struct MemorySource(Tensor);

impl MemorySource {
    pub(super) fn new(pixels: &PixelSet, images: usize, device: Device) -> Result<Self, TchError> {
        let shape = [images, 3, pixels.height, pixels.width].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        tensor_from_bytes(&pixels.bytes, &shape, Kind::Uint8)?.f_to(device).map(Self)
    }

    /// The random numbers of all N images, where the look has any.
    pub(super) fn draws(
        &self,
        look: Look,
        n: usize,
        transform: &Transform,
    ) -> Result<Option<Draws>, TchError> {
        let Look::Augmented { seed, purpose, index } = look else { return Ok(None) };
        Draws::new(seed, purpose, index, n, transform.pad, self.0.device()).map(Some)
    }

    /// The images of `rows` `[B]` i64; nothing here waits for the device.
    pub(super) fn input(
        &self,
        look: Look,
        rows: &Tensor,
        draws: Option<&Draws>,
        transform: &Transform,
    ) -> Result<Tensor, TchError> {
        let images = self.0.f_index_select(0, rows)?; // [B, 3, H, W] u8
        match (look, draws) {
            (Look::Flipped, _) => transform.flipped(&images),
            (Look::Augmented { .. }, Some(draws)) => transform.augmented(&images, &draws.select(rows)?),
            (Look::Clean | Look::Augmented { .. }, _) => transform.clean(&images),
        }
    }
}
