//! Cut a window of the original size out of the zero-padded image.

use tch::{Kind, TchError, Tensor};

/// Pads every side by `pad` zero pixels and keeps the window that starts at row `top` and column `left` of the result.
///
/// # Shapes
/// `images` `[B, 3, H, W]`; `top`, `left` `[B]` i64 in `0..=2·pad`; result `[B, 3, H, W]`. `pad` = `top` = `left` is the identity.
///
/// # Errors
/// libtorch's, also for a window that leaves the padded image.
pub fn crop(images: &Tensor, pad: i64, top: &Tensor, left: &Tensor) -> Result<Tensor, TchError> {
    let (batch, channels, height, width) = images.size4()?;
    let padded = images.f_constant_pad_nd([pad; 4])?; // [B, 3, H + 2 pad, W + 2 pad]
    let span = |start: &Tensor, length: i64| -> Result<Tensor, TchError> {
        let steps = Tensor::f_arange(length, (Kind::Int64, images.device()))?;
        start.f_reshape([-1, 1])?.f_add(&steps) // [B, length]
    };
    let rows = span(top, height)?.f_reshape([batch, 1, height, 1])?;
    let columns = span(left, width)?.f_reshape([batch, 1, 1, width])?;
    padded.f_gather(2, &rows.f_expand([batch, channels, height, width + 2 * pad], false)?, false)?.f_gather(
        3,
        &columns.f_expand([batch, channels, height, width], false)?,
        false,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_centre_window_is_the_image_and_the_others_bring_zeros() {
        let images = Tensor::from_slice(&[1_u8, 2, 3, 4]).reshape([1, 1, 2, 2]);
        let window = |top: i64, left: i64| {
            let cut = crop(&images, 1, &Tensor::from_slice(&[top]), &Tensor::from_slice(&[left])).unwrap();
            Vec::<u8>::try_from(cut.reshape([4])).unwrap()
        };
        assert_eq!(window(1, 1), [1, 2, 3, 4]);
        assert_eq!(window(0, 0), [0, 0, 0, 1]);
        assert_eq!(window(2, 2), [4, 0, 0, 0]);
        assert_eq!(window(0, 1), [0, 0, 1, 2]);
    }

    #[test]
    fn every_image_gets_its_own_window() {
        let images = Tensor::from_slice(&[1_u8, 2, 1, 2]).reshape([2, 1, 1, 2]);
        let cut =
            crop(&images, 1, &Tensor::from_slice(&[1_i64, 1]), &Tensor::from_slice(&[0_i64, 2])).unwrap();
        assert_eq!(Vec::<u8>::try_from(cut.reshape([4])).unwrap(), [0, 1, 2, 0]);
    }
}
