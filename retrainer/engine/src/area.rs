//! Class weights by effective areas: AREA on cached features.
//!
//! ```text
//! a batch with m samples of class k:   1/(aᵀRa), a = 1/m, R the cosines between the centred features: aᵀRa = |mean of their
//!                                      directions|²; 1 where m = 1
//! area A_k                             the sum over the batches of an epoch
//! weight                               1/A_k, scaled to sum C
//! ```
//!
//! The published code sums over mini-batches: of a whole class the directions of centred features cancel, and what is left is
//! next to nothing whatever the features are. It renews the areas each epoch, because its features move; fixed features have
//! them once, from the batches of the first epoch.
//!
//! # Source
//! Chen et al. 2023 (ICCV), Eq. 14, and `calculate_eff_weight` of their code.

use super::{
    closed_form::class_means,
    data::{Data, Pass, pieces},
    error::TrainError,
    normalised::unit_rows,
    sampler::SampleOrders,
};
use experiment::methods::Sampler;
use experiment::plan::memory::EVALUATION_ROWS;
use std::{collections::HashMap, ops::Range};
use tch::{Kind, Tensor};
use torch::numbers::{from_i64, size, to_f64};

/// Inverse effective areas of the classes over shuffled batches of `batch_size`, scaled to sum C; 0 for a class without
/// samples.
pub(super) fn weights(data: &Data<'_>, batch_size: usize, seed: u64) -> Result<Vec<f64>, TrainError> {
    let rows = (&data.rows_by_class, data.samples());
    let order = SampleOrders::new(Sampler::InstanceBalanced, rows.0, rows.1, batch_size, seed).next_epoch();
    let areas = areas(data, order, batch_size)?;
    let inverse: Vec<f64> = areas.iter().map(|&area| if area > 0.0 { 1.0 / area } else { 0.0 }).collect();
    let sum: f64 = inverse.iter().sum();
    let classes = inverse.len() as f64;
    Ok(inverse.into_iter().map(|weight| weight * classes / sum).collect())
}

/// Effective areas A_k of the classes, summed over batches of the rows in this order.
fn areas(data: &Data<'_>, order: Vec<u32>, batch_size: usize) -> Result<Vec<f64>, TrainError> {
    let mut areas = vec![0.0; data.class_counts.classes()];
    let labels: Vec<usize> =
        order.iter().filter_map(|&row| data.labels.get(row as usize)).map(|label| label.index()).collect();
    let pass = data.pass(order, None)?;
    for batch in pieces(pass.len(), batch_size) {
        let mut places = HashMap::new();
        let mut counts: Vec<(usize, f64)> = Vec::new();
        let mut place = |&class: &usize| {
            let next = counts.len();
            let place = *places.entry(class).or_insert(next);
            match counts.get_mut(place) {
                Some((_, count)) => *count += 1.0,
                None => counts.push((class, 1.0)),
            }
            size(place)
        };
        let places: Vec<i64> = labels.get(batch.clone()).unwrap_or_default().iter().map(&mut place).collect();
        let sums = direction_sums(data, &pass, batch, &places, counts.len())?;
        for (&(class, count), square) in counts.iter().zip(sums) {
            if let (Some(area), Some(&most)) = (areas.get_mut(class), data.class_counts.counts().get(class)) {
                *area += area_of(count, square, most as f64);
            }
        }
    }
    Ok(areas)
}

/// The area of `count` samples of a class of n_k, whose directions add up to a vector with this squared length.
///
/// At most n_k, which the published code leaves out: there two opposite samples, such as the only two of a class, count as
/// infinitely many.
fn area_of(count: f64, square: f64, n_k: f64) -> f64 {
    if count <= 1.0 { 1.0 } else { (count * count / square.max(f64::MIN_POSITIVE)).min(n_k) }
}

/// Squared length of the sum of the directions of centred features, for each of `groups` groups of a batch's rows.
fn direction_sums(
    data: &Data<'_>,
    pass: &Pass,
    batch: Range<usize>,
    places: &[i64],
    groups: usize,
) -> Result<Vec<f64>, TrainError> {
    let means = class_means(data)?;
    let mut sums = Tensor::f_zeros([size(groups), size(data.dim)], (Kind::Double, data.device))?;
    // A full batch is as long as the training split.
    for piece in pieces(batch.len(), EVALUATION_ROWS) {
        let rows = batch.start + piece.start..batch.start + piece.end;
        let (batch, labels) = (data.batch(pass, rows.clone()), pass.labels(&rows)?);
        let centred = batch.features()?.f_to_kind(Kind::Double)?.f_sub(&means.f_index_select(0, &labels)?)?;
        let places = places.get(piece).unwrap_or_default();
        let places = from_i64(places, &[size(places.len())], data.device)?;
        let _ = sums.f_index_add_(0, &places, &unit_rows(&centred)?)?;
    }
    Ok(to_f64(&sums.f_square()?.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::{
        FeatureCache,
        synthetic::{Pattern, SyntheticCache},
    };
    use tch::Device;

    fn areas_of(class_counts: Vec<u64>, batch_size: usize) -> Vec<f64> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let cache = SyntheticCache {
            class_counts,
            dim: 6,
            flipped: false,
            pattern: Pattern::Formula,
            ..SyntheticCache::default()
        };
        cache.write(&path).unwrap();
        let cache = FeatureCache::open(&path).unwrap();
        let data = Data::new(&cache, Device::Cpu, false, false).unwrap();
        let rows = data.samples();
        // A fixed order that mixes the classes: 7 and 45 have no common factor.
        let order = (0..rows).map(|row| u32::try_from(row * 7 % rows).unwrap()).collect();
        areas(&data, order, batch_size).unwrap()
    }

    const RECORDED: [(usize, [f64; 4]); 3] = [
        (4, [28.780_473_554, 11.087_452_972, 6.0, 3.0]),
        (8, [28.815_854_987, 14.066_479_834, 8.458_520_284, 3.0]),
        (10, [20.822_780_003, 13.547_250_109, 6.828_153_016, 3.0]),
    ];

    /// Recorded by `fixtures/methods/record_area.py`, which follows the published code in float64; 1e-6: features are f32.
    #[test]
    fn areas_are_those_of_the_published_code() {
        for (batch_size, expected) in RECORDED {
            let got = areas_of(vec![24, 12, 6, 3], batch_size);
            for (got, expected) in got.iter().zip(expected) {
                assert!(
                    (got - expected).abs() < 1e-6 * expected,
                    "batches of {batch_size}: {got} {expected}"
                );
            }
        }
    }

    /// Two samples lie on opposite sides of their mean: without the bound they would weigh nothing.
    #[test]
    fn a_class_of_two_in_one_batch_has_an_area_of_two() {
        let areas = areas_of(vec![24, 12, 7, 2], 45);
        assert_eq!(areas[3], 2.0);
        assert!(areas.iter().zip([24.0, 12.0, 7.0, 2.0]).all(|(&area, n)| (1.0..=n).contains(&area)));
        // In batches of one every sample counts as one.
        assert_eq!(areas_of(vec![24, 12, 7, 2], 1), [24.0, 12.0, 7.0, 2.0]);
    }

    #[test]
    fn the_area_of_a_single_sample_is_one_and_no_area_is_larger_than_its_class() {
        assert_eq!(area_of(1.0, 0.0, 5.0), 1.0);
        assert_eq!(area_of(2.0, 0.0, 5.0), 5.0);
        assert_eq!(area_of(2.0, 4.0, 5.0), 1.0);
        assert_eq!(area_of(3.0, 3.0, 500.0), 3.0);
    }
}
