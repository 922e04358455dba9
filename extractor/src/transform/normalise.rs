//! Bytes to numbers around zero.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use tch::{Kind, TchError, Tensor};
use torch::bytes::{ByteTables, tensor_by_tables, tensor_from_bytes};

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

    /// The numbers of CLIP's training images.
    pub const CLIP: Self = Self {
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
    };

    /// -1 … 1, as Google trains vision transformers.
    pub const HALF: Self = Self { mean: [0.5; 3], std: [0.5; 3] };

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

    /// Pixels of shape `[B, H, W, 3]` to a tensor `[B, 3, H, W]` f32 on the CPU with the colours of a pixel side by side: the
    /// numbers of [`Normalise::apply`], looked up in one pass over the memory in place of seven.
    ///
    /// # Errors
    /// libtorch's, and [`TchError::Shape`] unless the pixels fill the shape.
    pub fn pixels(&self, pixels: &[u8], shape: &[i64; 4]) -> Result<Tensor, TchError> {
        tensor_by_tables(pixels, shape, &self.tables()?)?.f_permute([0, 3, 1, 2])
    }

    /// What each byte of each colour becomes.
    fn tables(&self) -> Result<ByteTables, TchError> {
        let bytes: Vec<u8> = (0..=u8::MAX).flat_map(|byte| [byte; 3]).collect();
        let numbers = self.apply(&tensor_from_bytes(&bytes, &[256, 3, 1, 1], Kind::Uint8)?)?;
        let mut tables = [[0.0; 256]; 3];
        for (colour, table) in (0..).zip(&mut tables) {
            numbers.f_select(1, colour)?.f_contiguous()?.f_copy_data(table, 256)?;
        }
        Ok(tables)
    }
}

impl fmt::Display for Normalise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |values: &[f32; 3]| values.map(|value| value.to_string()).join(" ");
        write!(f, "normalise({},{})", join(&self.mean), join(&self.std))
    }
}

impl FromStr for Normalise {
    type Err = ();

    /// As it is displayed.
    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers = |text: &str| -> Option<[f32; 3]> {
            let numbers: Vec<f32> =
                text.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
            numbers.try_into().ok()
        };
        let read = || {
            let (mean, std) = text.strip_prefix("normalise(")?.strip_suffix(')')?.split_once(',')?;
            Some(Self { mean: numbers(mean)?, std: numbers(std)? })
        };
        read().ok_or(())
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

    /// Bit for bit, in a batch that several threads share.
    #[test]
    fn pixels_become_what_libtorch_makes_of_them() {
        use longtail::random::stream;
        let _threads = crate::threads::fixed(2);
        let shape = [3, 17, 5, 3];
        let mut pixels = vec![0; 3 * 17 * 5 * 3];
        rand_chacha::rand_core::Rng::fill_bytes(&mut stream(0, "pixels", 0), &mut pixels);
        for normalise in [Normalise::IMAGENET, Normalise::INATURALIST18] {
            let images = tensor_from_bytes(&pixels, &shape, Kind::Uint8).unwrap().permute([0, 3, 1, 2]);
            let expected = normalise.apply(&images).unwrap();
            let got = normalise.pixels(&pixels, &shape).unwrap();
            assert!(got.equal(&expected) && got.stride() == expected.stride());
        }
        assert!(Normalise::CIFAR.pixels(&pixels[1..], &shape).is_err());
    }
}
