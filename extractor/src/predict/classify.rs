//! From pixels to the most probable classes.

use super::Predictor;
use crate::{ExtractError, transform::Photo};
use cache::{BatchNormMode, Dtype};
use tch::{Device, Kind, TchError};
use torch::bytes::tensor_from_bytes;

/// A class and its probability.
pub(super) type Scored = (usize, f64);

/// The most probable classes of each image of a batch of pixels `[side, side, 3]`, the first of equals first.
pub(super) fn classify(
    predictor: &Predictor<'_>,
    photo: &Photo,
    images: &[Vec<u8>],
) -> Result<Vec<Vec<Scored>>, ExtractError> {
    if images.is_empty() {
        return Ok(Vec::new());
    }
    let mut logits = sums(predictor, photo, images)?;
    if predictor.about.test_time_augmentation {
        let mirrored: Vec<Vec<u8>> = images.iter().map(|pixels| photo.mirrored(pixels)).collect();
        for (logits, more) in logits.iter_mut().zip(sums(predictor, photo, &mirrored)?) {
            logits.iter_mut().zip(more).for_each(|(logit, other)| *logit = f64::midpoint(*logit, other));
        }
    }
    Ok(logits.iter().map(|logits| best(logits, predictor.top)).collect())
}

/// Logits of each image.
fn sums(predictor: &Predictor<'_>, photo: &Photo, images: &[Vec<u8>]) -> Result<Vec<Vec<f64>>, ExtractError> {
    let features = features(predictor, photo, images).map_err(ExtractError::torch("compute features"))?;
    let dim = predictor.head.dim.max(1);
    let row = |row: &[f32]| {
        let rounded: Vec<f32> = row.iter().map(|&number| as_stored(number, predictor.about.dtype)).collect();
        predictor.head.logits(&rounded)
    };
    Ok(features.chunks_exact(dim).map(row).collect())
}

/// Features `[B, D]`, row-major.
fn features(predictor: &Predictor<'_>, photo: &Photo, images: &[Vec<u8>]) -> Result<Vec<f32>, TchError> {
    let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let shape = [size(images.len()), size(photo.crop), size(photo.crop), 3];
    let pixels = images.concat();
    let transform = &predictor.frozen.transform;
    let input = match predictor.frozen.backbone.compute().device {
        Device::Cpu => transform.normalise.pixels(&pixels, &shape)?,
        device => {
            let pixels = tensor_from_bytes(&pixels, &shape, Kind::Uint8)?.f_to(device)?;
            transform.clean(&pixels.f_permute([0, 3, 1, 2])?)?
        }
    };
    let features = predictor.frozen.backbone.features(&input, BatchNormMode::Eval)?;
    Vec::try_from(features.f_to(Device::Cpu)?.f_to_kind(Kind::Float)?.f_reshape([-1])?)
}

/// A number after its way through a cache.
fn as_stored(number: f32, dtype: Dtype) -> f32 {
    match dtype {
        Dtype::F32 => number,
        Dtype::F16 => half::f16::from_f32(number).to_f32(),
        Dtype::Bf16 => half::bf16::from_f32(number).to_f32(),
    }
}

/// The `top` largest of softmax(logits).
fn best(logits: &[f64], top: usize) -> Vec<Scored> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    let mut scored: Vec<Scored> =
        logits.iter().map(|logit| (logit - largest).exp() / total).enumerate().collect();
    // Stable: of equal probabilities the first class comes first.
    scored.sort_by(|one, two| two.1.total_cmp(&one.1));
    scored.truncate(top);
    scored
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy: `exp([1, 3, 2]) / exp([1, 3, 2]).sum()` in float64.
    #[test]
    fn probabilities_are_those_of_the_softmax() {
        let got = best(&[1.0, 3.0, 2.0], 2);
        assert_eq!(got.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [1, 2]);
        assert!((got[0].1 - 0.665_240_955_774_821_6).abs() < 1e-15);
        assert!((got[1].1 - 0.244_728_471_054_797_67).abs() < 1e-15);
        assert_eq!(best(&[5.0, 5.0], 1), [(0, 0.5)]);
        assert_eq!(best(&[1e6, 0.0], 1), [(0, 1.0)]);
    }
}
