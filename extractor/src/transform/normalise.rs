//! Bytes to numbers around zero.

use serde::{Deserialize, Serialize};
use std::fmt;
use tch::{Kind, TchError, Tensor};

/// (x / 255 − mean) / std for each colour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalise {
    /// Mean of red, green, blue; pixels in 0..=1.
    pub mean: [f32; 3],
    /// Standard deviation of red, green, blue.
    pub std: [f32; 3],
}

impl Normalise {
    /// The numbers of CIFAR-10, which long-tail code uses for CIFAR-100 too.
    pub const CIFAR: Self = Self { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.2010] };

    /// The numbers of ImageNet, which ImageNet-LT and Places-LT code uses.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

    /// The numbers of iNaturalist 2018 in published long-tail code.
    pub const INATURALIST18: Self = Self { mean: [0.466, 0.471, 0.380], std: [0.195, 0.194, 0.192] };

    /// `[B, 3, H, W]` u8 to f32, in the order of operations of torchvision's `ToTensor` and `Normalize`.
    ///
    /// Colour by colour with numbers that travel with the operation: a tensor of them would make a GPU wait for its copy.
    ///
    /// # Errors
    /// libtorch's.
    pub fn apply(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let images = images.f_to_dtype(Kind::Float, false, false)?.f_div_scalar(255.0)?;
        for (colour, (&mean, &std)) in (0..).zip(self.mean.iter().zip(&self.std)) {
            let _ = images
                .f_narrow(1, colour, 1)?
                .f_sub_scalar_(f64::from(mean))?
                .f_div_scalar_(f64::from(std))?;
        }
        Ok(images)
    }
}

impl fmt::Display for Normalise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |values: &[f32; 3]| values.map(|value| value.to_string()).join(" ");
        write!(f, "normalise({},{})", join(&self.mean), join(&self.std))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed form: white is (1 − mean) / std, black −mean / std; 1e-6 is f32 rounding.
    #[test]
    fn white_and_black_land_where_the_formula_says() {
        let images = Tensor::from_slice(&[255_u8, 255, 255, 0, 0, 0]).reshape([2, 3, 1, 1]);
        let got = Vec::<f32>::try_from(Normalise::CIFAR.apply(&images).unwrap().reshape([6])).unwrap();
        let Normalise { mean, std } = Normalise::CIFAR;
        for colour in 0..3 {
            assert!((got[colour] - (1.0 - mean[colour]) / std[colour]).abs() < 1e-6);
            assert!((got[3 + colour] + mean[colour] / std[colour]).abs() < 1e-6);
        }
    }
}
