//! Heads that follow from sums over the training features: each sum is made once for all heads, in f64.
//!
//! ```text
//! nearest class mean   −|f − μ_k|²/2 = μ_k·f − |μ_k|²/2 − |f|²/2: a linear head, less a number that all classes share
//! ridge                min (1/N) Σ_i |y_i − W f_i − b|² + λ|W|²: with V diag(e) Vᵀ the covariance of the features,
//!                      W = V diag(1/(e + λ)) Vᵀ cov(f, y) for every λ from one decomposition
//! ```

use super::{
    data::{Data, once, pieces, unit_rows},
    error::TrainError,
    head::{Head, HeadForm, narrow},
    statistics::Ridge,
};
use experiment::plan::memory::EVALUATION_ROWS;
use experiment::spec::{ClosedForm, Distance};
use tch::{Kind, Tensor};
use torch::numbers::{from_i64, size, to_f64};

/// The head of a closed form.
pub(super) fn head(form: ClosedForm, data: &Data<'_>) -> Result<Head, TrainError> {
    match form {
        ClosedForm::ClassMeans(Distance::L2) => {
            let means = to_f64(class_means(data)?)?;
            let bias = half_squares(&means, data.dim);
            Ok(linear(&means, &bias, data.dim, HeadForm::Distance))
        }
        ClosedForm::ClassMeans(Distance::Cosine) => {
            let means = unit_rows(&means_of(data, &|rows, _| unit_rows(rows))?)?;
            let bias = vec![0.0; data.class_counts.classes()];
            let form = HeadForm::UnitFeatures { centre: Vec::new() };
            Ok(linear(&to_f64(&means)?, &bias, data.dim, form))
        }
        ClosedForm::ClassMeans(Distance::CentredUnit) => {
            let centre = centre(data)?;
            let means = to_f64(&means_of(data, &|rows, _| unit_rows(&rows.f_sub(&centre)?))?)?;
            let bias = half_squares(&means, data.dim);
            let centre = to_f64(&centre)?.into_iter().map(narrow).collect();
            Ok(linear(&means, &bias, data.dim, HeadForm::UnitFeatures { centre }))
        }
        ClosedForm::Ridge { lambda } => {
            let ridge = ridge(data)?;
            let shrunk = ridge.rotated.f_div(&ridge.eigenvalues.f_add_scalar(lambda)?.f_unsqueeze(1)?)?;
            let weight = ridge.vectors.f_matmul(&shrunk)?.f_tr()?.f_contiguous()?;
            let at_mean = to_f64(&weight.f_matmul(&ridge.mean)?)?;
            let bias: Vec<f64> =
                data.class_counts.priors().iter().zip(at_mean).map(|(prior, at)| prior - at).collect();
            Ok(linear(&to_f64(&weight)?, &bias, data.dim, HeadForm::Linear))
        }
    }
}

/// Class means of the raw features, `[C, D]`.
pub(super) fn class_means<'data>(data: &'data Data<'_>) -> Result<&'data Tensor, TrainError> {
    once(&data.statistics.means, || means_of(data, &|rows, _| Ok(rows.shallow_clone())))
}

/// Mean length of the raw features.
fn mean_length(data: &Data<'_>) -> Result<f64, TrainError> {
    let length = once(&data.statistics.length, || {
        let mut sum = Tensor::f_zeros([1], (Kind::Double, data.device))?;
        for_rows(data, &mut |rows, _| {
            let lengths = rows.f_norm_scalaropt_dim(2, [1_i64].as_slice(), false)?;
            let _ = sum.f_add_(&lengths.f_sum(Kind::Double)?)?;
            Ok(())
        })?;
        let sum: f64 = to_f64(&sum)?.iter().sum();
        Ok(sum / data.samples().max(1) as f64)
    });
    Ok(*length?)
}

/// Where a classifier of raw features starts from the stage-1 head: at its weights, or, of a cosine head, at
/// [`Head::linearised`] ones.
pub(super) fn linear_start(data: &Data<'_>) -> Result<Head, TrainError> {
    let head = data.stage1.clone().ok_or(TrainError::MissingHead)?;
    if head.reads_unit_features() {
        return Ok(head.linearised(mean_length(data)?));
    }
    Ok(head)
}

/// Mean of all training features, `[1, D]`.
fn centre(data: &Data<'_>) -> Result<Tensor, TrainError> {
    let priors = data.class_counts.priors();
    let priors = Tensor::from_slice(&priors).f_to_device(data.device)?.f_view([1, -1])?;
    Ok(priors.f_matmul(class_means(data)?)?)
}

/// A change of features `[n, D]` with labels `[n]`.
type Map<'a> = &'a dyn Fn(&Tensor, &Tensor) -> Result<Tensor, TrainError>;

/// Class means of changed features, `[C, D]`.
fn means_of(data: &Data<'_>, map: Map<'_>) -> Result<Tensor, TrainError> {
    let shape = [size(data.class_counts.classes()), size(data.dim)];
    let mut sums = Tensor::f_zeros(shape, (Kind::Double, data.device))?;
    for_rows(data, &mut |rows, labels| {
        let _ = sums.f_index_add_(0, labels, &map(rows, labels)?)?;
        Ok(())
    })?;
    let counts: Vec<f64> = data.class_counts.counts().iter().map(|&n| n.max(1) as f64).collect();
    let counts = Tensor::from_slice(&counts).f_to_device(data.device)?.f_view([-1, 1])?;
    Ok(sums.f_div(&counts)?)
}

/// The decomposition, made once.
fn ridge<'data>(data: &'data Data<'_>) -> Result<&'data Ridge, TrainError> {
    once(&data.statistics.ridge, || decompose(data))
}

fn decompose(data: &Data<'_>) -> Result<Ridge, TrainError> {
    let samples = data.samples().max(1) as f64;
    let mean = centre(data)?;
    let dim = size(data.dim);
    let mut covariance = Tensor::f_zeros([dim, dim], (Kind::Double, data.device))?;
    for_rows(data, &mut |rows, _| {
        let centred = rows.f_sub(&mean)?;
        let _ = covariance.f_addmm_(&centred.f_tr()?, &centred)?;
        Ok(())
    })?;
    let (eigenvalues, vectors) = covariance.f_div_scalar(samples)?.f_linalg_eigh("L")?;
    // cov(f, y_k) = π_k (μ_k − μ)
    let priors = Tensor::from_slice(&data.class_counts.priors()).f_to_device(data.device)?.f_view([-1, 1])?;
    let cross = class_means(data)?.f_sub(&mean)?.f_mul(&priors)?.f_tr()?;
    Ok(Ridge {
        // Rounding makes eigenvalues of constant features slightly negative.
        eigenvalues: eigenvalues.f_clamp_min(0.0)?,
        rotated: vectors.f_tr()?.f_matmul(&cross)?,
        vectors,
        mean: mean.f_tr()?,
    })
}

/// Shows all training rows, piece by piece, in f64.
fn for_rows(
    data: &Data<'_>,
    see: &mut dyn FnMut(&Tensor, &Tensor) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    for range in pieces(data.samples(), EVALUATION_ROWS) {
        let labels: Vec<i64> = data
            .labels
            .get(range.clone())
            .unwrap_or_default()
            .iter()
            .map(|label| i64::from(label.0))
            .collect();
        let labels = from_i64(&labels, &[size(labels.len())], data.device)?;
        see(&data.train_rows(range)?.f_to_kind(Kind::Double)?, &labels)?;
    }
    Ok(())
}

fn half_squares(rows: &[f64], dim: usize) -> Vec<f64> {
    rows.chunks_exact(dim.max(1)).map(|row| -row.iter().map(|w| w * w).sum::<f64>() / 2.0).collect()
}

fn linear(weight: &[f64], bias: &[f64], dim: usize, form: HeadForm) -> Head {
    let narrowed = |numbers: &[f64]| numbers.iter().copied().map(narrow).collect();
    Head { classes: bias.len(), dim, weight: narrowed(weight), bias: narrowed(bias), form }
}
