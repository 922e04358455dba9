//! Features normalised on their way from the cache to the engine, all views by what the training split says.

use super::error::TrainError;
use cache::{
    FeatureCache, Split, View,
    head::{Normalisation, narrow},
};
use experiment::plan::Normalise;
use tch::{Device, Tensor};
use torch::numbers::{from_f32, size};

/// Rows of a view that are read at once.
const ROWS: usize = 1024;

/// What features go through.
#[derive(Debug)]
pub(super) enum Normaliser {
    /// Nothing.
    Raw,
    /// To length 1.
    Unit,
    /// `(f − mean) ⊙ scale`, both `[1, D]`.
    Standard(Tensor, Tensor),
}

impl Normaliser {
    /// The normaliser on a device.
    pub(super) fn new(cache: &FeatureCache, how: Normalise, device: Device) -> Result<Self, TrainError> {
        Ok(match normalisation(cache, how)? {
            None => Self::Raw,
            Some(Normalisation::Unit) => Self::Unit,
            Some(Normalisation::Standard { mean, scale }) => {
                let row = |numbers: &[f32]| {
                    Ok::<_, TrainError>(from_f32(numbers, &[1, size(numbers.len())], device)?)
                };
                Self::Standard(row(&mean)?, row(&scale)?)
            }
        })
    }

    /// Rows `[n, D]` normalised.
    pub(super) fn of(&self, rows: Tensor) -> Result<Tensor, TrainError> {
        match self {
            Self::Raw => Ok(rows),
            Self::Unit => unit_rows(&rows),
            Self::Standard(mean, scale) => Ok(rows.f_sub(mean)?.f_mul_(scale)?),
        }
    }
}

/// Rows scaled to length 1; a row of zeros stays.
pub(super) fn unit_rows(rows: &Tensor) -> Result<Tensor, TrainError> {
    Ok(rows.f_div(&rows.f_norm_scalaropt_dim(2, [1_i64].as_slice(), true)?.f_clamp_min(1e-12)?)?)
}

/// How the features of a cache are normalised: in f64 over the clean training view, row after row, so that it is the same for
/// every process; `None` where they are not.
///
/// # Errors
/// [`TrainError::Cache`].
pub fn normalisation(cache: &FeatureCache, how: Normalise) -> Result<Option<Normalisation>, TrainError> {
    match how {
        Normalise::None => Ok(None),
        Normalise::L2 => Ok(Some(Normalisation::Unit)),
        Normalise::Standardise => standard(cache).map(Some),
    }
}

/// Mean of |f|² over the training samples as heads read them: the scale of the features.
///
/// # Errors
/// [`TrainError::Cache`].
pub fn mean_square(cache: &FeatureCache, how: Normalise) -> Result<f64, TrainError> {
    match normalisation(cache, how)? {
        Some(Normalisation::Unit) => Ok(1.0),
        // Each feature that changes has variance 1.
        Some(Normalisation::Standard { scale, .. }) => {
            Ok(scale.iter().filter(|&&scale| scale > 0.0).count() as f64)
        }
        None => {
            let mut sum = 0.0;
            each_row(cache, &mut |row| sum += row.iter().map(|&f| f64::from(f) * f64::from(f)).sum::<f64>())?;
            Ok(sum / cache.labels(Split::Train).len().max(1) as f64)
        }
    }
}

/// Shows every row of the clean training view.
fn each_row(cache: &FeatureCache, see: &mut dyn FnMut(&[f32])) -> Result<(), TrainError> {
    let (view, dim) = (cache.view(Split::Train, View::Clean)?, cache.dim());
    let mut numbers = Vec::new();
    for start in (0..view.rows()).step_by(ROWS) {
        let range = start..(start + ROWS).min(view.rows());
        numbers.resize(range.len() * dim, 0.0);
        view.read_rows(range, &mut numbers)?;
        numbers.chunks_exact(dim.max(1)).for_each(&mut *see);
    }
    Ok(())
}

fn standard(cache: &FeatureCache) -> Result<Normalisation, TrainError> {
    let rows = cache.labels(Split::Train).len().max(1) as f64;
    let mut means = vec![0.0_f64; cache.dim()];
    each_row(cache, &mut |row| means.iter_mut().zip(row).for_each(|(mean, &f)| *mean += f64::from(f)))?;
    for mean in &mut means {
        *mean /= rows;
    }
    // In a second pass, since a difference of large sums would lose a small deviation.
    let mut squares = vec![0.0_f64; cache.dim()];
    each_row(cache, &mut |row| {
        for ((square, mean), &f) in squares.iter_mut().zip(&means).zip(row) {
            *square += (f64::from(f) - mean) * (f64::from(f) - mean);
        }
    })?;
    // A feature that never changes says nothing, and has no deviation to divide by.
    let scale = |(square, mean): (&f64, &f64)| {
        let deviation = (square / rows).sqrt();
        if deviation > 1e-12 * mean.abs().max(f64::MIN_POSITIVE) { 1.0 / deviation } else { 0.0 }
    };
    let single = |numbers: Vec<f64>| numbers.into_iter().map(narrow).collect();
    let scale = squares.iter().zip(&means).map(scale).collect();
    Ok(Normalisation::Standard { mean: single(means), scale: single(scale) })
}
