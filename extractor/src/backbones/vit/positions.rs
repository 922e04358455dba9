//! Learned positions of tokens, resampled for images of another size.

use crate::weights::{Init, ParameterBuilder, Role};
use tch::{TchError, Tensor};

/// How a square of positions becomes one for images of another size; bicubic always.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resample {
    /// Antialiased, as timm, open_clip and DINOv2 with registers.
    Antialiased,
    /// Not antialiased, by the factor (n + 0.1) / side in place of n / side, as DINOv2 without registers.
    ///
    /// # Source
    /// `interpolate_offset` of facebookresearch/dinov2's `vision_transformer.py`, 0.1 in its hub.
    Offset,
    /// Not antialiased, corners on corners, as torchvision's `interpolate_embeddings`.
    Corners,
}

impl Resample {
    /// `[1, D, side, side]` to `[1, D, rows, columns]`.
    fn apply(self, map: &Tensor, side: i64, rows: i64, columns: i64) -> Result<Tensor, TchError> {
        let size = [rows, columns];
        match self {
            Self::Antialiased => map.f_internal_upsample_bicubic2d_aa(size, false, None, None),
            Self::Offset => {
                let factor = |n: i64| (n as f64 + 0.1) / side as f64;
                map.f_upsample_bicubic2d(size, false, factor(rows), factor(columns))
            }
            Self::Corners => map.f_upsample_bicubic2d(size, true, None, None),
        }
    }
}

/// A position for each patch of a square image, after those of other tokens.
#[derive(Debug)]
pub(super) struct Positions {
    all: Tensor, // [1, prefix + side², D]
    prefix: i64,
    side: i64,
    width: i64,
    resample: Resample,
}

impl Positions {
    /// The parameter `pos_embed`, for `side` × `side` patches after `prefix` (0 or 1) class tokens.
    pub(super) fn build(
        builder: &mut ParameterBuilder,
        side: i64,
        prefix: i64,
        width: i64,
        resample: Resample,
    ) -> Result<Self, TchError> {
        let shape = [1, prefix + side * side, width];
        let all = builder.add("pos_embed", &shape, Init::TRANSFORMER, Role::Weight)?;
        Ok(Self { all, prefix, side, width, resample })
    }

    /// The position of the class token `[1, 1, D]`, where it has one, and those of the patches `[1, rows · columns, D]`.
    pub(super) fn of(&self, rows: i64, columns: i64) -> Result<(Option<Tensor>, Tensor), TchError> {
        let class = (self.prefix > 0).then(|| self.all.f_narrow(1, 0, self.prefix)).transpose()?;
        let patches = self.all.f_narrow(1, self.prefix, self.side * self.side)?;
        if (rows, columns) == (self.side, self.side) {
            return Ok((class, patches));
        }
        let square = patches.f_reshape([1, self.side, self.side, self.width])?.f_permute([0, 3, 1, 2])?;
        let map = self.resample.apply(&square, self.side, rows, columns)?;
        Ok((class, map.f_permute([0, 2, 3, 1])?.f_reshape([1, rows * columns, self.width])?))
    }
}
