//! Logits of a head on rows of features: the one way in which `evaluate` measures and `predict` predicts.

use crate::error::RetrainError;
use cache::{FeatureCache, FeatureView, Split, View, head::Head};

/// The views of a split that a head's logits are the mean over: the clean one, and with test-time augmentation the flipped one
/// where the cache has it.
pub(super) fn views(
    cache: &FeatureCache,
    split: Split,
    test_time_augmentation: bool,
) -> Result<Vec<FeatureView<'_>>, RetrainError> {
    let mut views = vec![cache.view(split, View::Clean)?];
    if test_time_augmentation && cache.has(split, View::Flipped) {
        views.push(cache.view(split, View::Flipped)?);
    }
    Ok(views)
}

/// The mean logits of each row, in order; in f64 and rounded once: a second opinion on the engine's f32.
pub(super) fn each_row(
    head: &Head,
    views: &[FeatureView<'_>],
    mut see: impl FnMut(usize, &[f32]) -> Result<(), RetrainError>,
) -> Result<(), RetrainError> {
    let rows = views.first().map_or(0, FeatureView::rows);
    let mut features = vec![0.0_f32; head.dim];
    for row in 0..rows {
        let mut sums = vec![0.0; head.classes];
        for view in views {
            view.read_rows(row..row + 1, &mut features)?;
            for (sum, logit) in sums.iter_mut().zip(head.logits(&features)) {
                *sum += logit;
            }
        }
        see(row, &mean(&sums, views.len()))?;
    }
    Ok(())
}

/// Sums of logits over `views` views as their mean, in f32.
#[expect(clippy::cast_possible_truncation, reason = "metrics take f32 logits")]
pub(super) fn mean(sums: &[f64], views: usize) -> Vec<f32> {
    sums.iter().map(|sum| (sum / views as f64) as f32).collect()
}

/// The classes in order of their logits, the first among equals first, with softmax probabilities.
pub(super) fn ranked(logits: &[f32]) -> Vec<(usize, f64)> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let odds: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit) - f64::from(largest)).exp()).collect();
    let sum: f64 = odds.iter().sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    let logit = |class: usize| logits.get(class).copied().unwrap_or(f32::NEG_INFINITY);
    order.sort_by(|&one, &two| logit(two).total_cmp(&logit(one)));
    order.into_iter().map(|class| (class, odds.get(class).map_or(0.0, |odds| odds / sum))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// torch.softmax(torch.tensor([1., 3., 3., -1e4]), 0)
    #[test]
    fn the_first_of_equal_classes_comes_first_and_probabilities_are_softmax() {
        let ranked = ranked(&[1.0, 3.0, 3.0, -1e4]);
        assert_eq!(ranked.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [1, 2, 0, 3]);
        for ((_, got), expected) in ranked.iter().zip([0.468_310_53, 0.468_310_53, 0.063_378_94, 0.0]) {
            assert!((got - expected).abs() < 1e-7, "{got} {expected}");
        }
    }
}
