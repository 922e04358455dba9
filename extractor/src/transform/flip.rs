//! Mirror images left to right.

use tch::{TchError, Tensor};

/// Every image `[B, 3, H, W]` mirrored.
///
/// # Errors
/// libtorch's.
pub fn flip(images: &Tensor) -> Result<Tensor, TchError> {
    images.f_flip([3])
}

/// Mirrors the images whose entry in `mirrored` `[B]` (bool) is set.
///
/// # Errors
/// libtorch's, also when `mirrored` has another length.
pub fn flip_where(images: &Tensor, mirrored: &Tensor) -> Result<Tensor, TchError> {
    flip(images)?.f_where_self(&mirrored.f_reshape([-1, 1, 1, 1])?, images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_chosen_images_are_mirrored() {
        let images = Tensor::from_slice(&[1_u8, 2, 3, 4]).reshape([2, 1, 1, 2]);
        let some = flip_where(&images, &Tensor::from_slice(&[false, true])).unwrap();
        assert_eq!(Vec::<u8>::try_from(some.reshape([4])).unwrap(), [1, 2, 4, 3]);
        assert_eq!(
            Vec::<u8>::try_from(flip(&images).unwrap().contiguous().reshape([4])).unwrap(),
            [2, 1, 4, 3]
        );
    }
}
