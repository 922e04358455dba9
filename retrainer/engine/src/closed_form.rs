//! Heads that follow from sums over the training features: each sum is made once for all heads, in f64.
//!
//! ```text
//! nearest class mean   −|f − μ_k|²/2 = μ_k·f − |μ_k|²/2 − |f|²/2: a linear head, less a number that all classes share
//! ridge                min (1/N) Σ_i |y_i − W f_i − b|² + λ|W|²: with V diag(e) Vᵀ the covariance of the features,
//!                      W = V diag(1/(e + λ)) Vᵀ cov(f, y) for every λ from one decomposition; with weights of the samples
//!                      all means are weighted ones
//! one Gaussian a class w_k = P μ_k, b_k = −μ_kᵀ P μ_k/2 with P = V diag(1/(e + γ mean(e))) Vᵀ and V diag(e) Vᵀ the covariance
//!                      within classes: every γ from one decomposition
//! ```

use super::{
    data::{Data, once, pieces},
    error::TrainError,
    head::{Head, HeadForm, Start, narrow},
    normalised::unit_rows,
    statistics::{Ridge, Within},
};
use experiment::plan::memory::EVALUATION_ROWS;
use experiment::spec::{ClosedForm, Distance};
use std::rc::Rc;
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
        ClosedForm::Ridge { lambda, rho } => {
            let ridge = ridge(data, rho)?;
            let shrunk = ridge.rotated.f_div(&ridge.eigenvalues.f_add_scalar(lambda)?.f_unsqueeze(1)?)?;
            let weight = ridge.vectors.f_matmul(&shrunk)?.f_tr()?.f_contiguous()?;
            let at_mean = to_f64(&weight.f_matmul(&ridge.mean)?)?;
            let bias: Vec<f64> = ridge.shares.iter().zip(at_mean).map(|(share, at)| share - at).collect();
            Ok(linear(&to_f64(&weight)?, &bias, data.dim, HeadForm::Linear))
        }
        ClosedForm::Gda { shrinkage, tau } => gaussians(data, shrinkage, tau),
    }
}

/// One Gaussian a class, all of one covariance.
fn gaussians(data: &Data<'_>, shrinkage: f64, tau: f64) -> Result<Head, TrainError> {
    let within = once(&data.statistics.within, || decompose_within(data))?;
    let floor = within.eigenvalues.f_mean(Kind::Double)?.f_mul_scalar(shrinkage)?;
    let spread = within.eigenvalues.f_add(&floor)?;
    let means = class_means(data)?;
    let rotated = means.f_matmul(&within.vectors)?; // [C, D]
    let scaled = rotated.f_div(&spread)?;
    let weight = scaled.f_matmul(&within.vectors.f_tr()?)?;
    let squares =
        to_f64(&scaled.f_mul(&rotated)?.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double)?)?;
    let priors = data.class_counts.priors();
    let prior = |prior: f64| if tau == 0.0 { 0.0 } else { tau * prior.ln() };
    let bias: Vec<f64> =
        squares.iter().zip(priors).map(|(square, share)| prior(share) - square / 2.0).collect();
    Ok(linear(&to_f64(&weight.f_contiguous()?)?, &bias, data.dim, HeadForm::Linear))
}

fn decompose_within(data: &Data<'_>) -> Result<Within, TrainError> {
    let means = class_means(data)?;
    let dim = size(data.dim);
    let mut scatter = Tensor::f_zeros([dim, dim], (Kind::Double, data.device))?;
    for_rows(data, &mut |rows, labels| {
        let own = rows.f_sub(&means.f_index_select(0, labels)?)?;
        let _ = scatter.f_addmm_(&own.f_tr()?, &own)?;
        Ok(())
    })?;
    let samples = data.samples().saturating_sub(1).max(1) as f64;
    let (eigenvalues, vectors) = scatter.f_div_scalar(samples)?.f_linalg_eigh("L")?;
    // Rounding makes eigenvalues of constant features slightly negative; without any spread the means alone decide.
    let eigenvalues = eigenvalues.f_clamp_min(f64::MIN_POSITIVE)?;
    Ok(Within { eigenvalues, vectors })
}

/// Where a linear classifier starts that starts at the class means: logits −|f − μ_k|²/(2v) less what all classes share, with
/// v the mean squared distance of a sample to the mean of its class, so that they do not depend on the features' scale.
pub(super) fn class_mean_start(data: &Data<'_>) -> Result<Head, TrainError> {
    let means = class_means(data)?;
    let mut sum = Tensor::f_zeros([1], (Kind::Double, data.device))?;
    for_rows(data, &mut |rows, labels| {
        let squares = rows.f_sub(&means.f_index_select(0, labels)?)?.f_square()?;
        let _ = sum.f_add_(&squares.f_sum(Kind::Double)?)?;
        Ok(())
    })?;
    let distance = to_f64(&sum)?.iter().sum::<f64>() / data.samples().max(1) as f64;
    let scale = 1.0 / distance.max(f64::MIN_POSITIVE.sqrt());
    let means = to_f64(means)?;
    let bias: Vec<f64> = half_squares(&means, data.dim).iter().map(|half| half * scale).collect();
    let weight: Vec<f64> = means.iter().map(|mean| mean * scale).collect();
    Ok(linear(&weight, &bias, data.dim, HeadForm::Linear))
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

/// The decomposition for an exponent, made once.
fn ridge(data: &Data<'_>, rho: f64) -> Result<Rc<Ridge>, TrainError> {
    let known = data.statistics.ridge.borrow().iter().find(|(bits, _)| *bits == rho.to_bits()).cloned();
    if let Some((_, made)) = known {
        return Ok(made);
    }
    let made = Rc::new(decompose(data, rho)?);
    data.statistics.ridge.borrow_mut().push((rho.to_bits(), Rc::clone(&made)));
    Ok(made)
}

/// Weights `v_i = n_{y_i}^{−ρ}` scaled to mean 1: those of a class, by class.
fn sample_weights(data: &Data<'_>, rho: f64) -> Vec<f64> {
    let counts: Vec<f64> = data.class_counts.counts().iter().map(|&n| n.max(1) as f64).collect();
    let raw: Vec<f64> = counts.iter().map(|n| n.powf(-rho)).collect();
    let sum: f64 = counts.iter().zip(&raw).map(|(n, v)| n * v).sum();
    let samples: f64 = counts.iter().sum();
    raw.into_iter().map(|v| v * samples / sum).collect()
}

fn decompose(data: &Data<'_>, rho: f64) -> Result<Ridge, TrainError> {
    let samples = data.samples().max(1) as f64;
    let weights = sample_weights(data, rho);
    let shares: Vec<f64> = data.class_counts.priors().iter().zip(&weights).map(|(p, v)| p * v).collect();
    let share_row = Tensor::from_slice(&shares).f_to_device(data.device)?.f_view([1, -1])?;
    let weights = Tensor::from_slice(&weights).f_to_device(data.device)?;
    let mean = share_row.f_matmul(class_means(data)?)?;
    let dim = size(data.dim);
    let mut covariance = Tensor::f_zeros([dim, dim], (Kind::Double, data.device))?;
    for_rows(data, &mut |rows, labels| {
        let centred = rows.f_sub(&mean)?;
        if rho == 0.0 {
            let _ = covariance.f_addmm_(&centred.f_tr()?, &centred)?;
            return Ok(());
        }
        let weighted = centred.f_mul(&weights.f_index_select(0, labels)?.f_unsqueeze(1)?)?;
        let _ = covariance.f_addmm_(&centred.f_tr()?, &weighted)?;
        Ok(())
    })?;
    let (eigenvalues, vectors) = covariance.f_div_scalar(samples)?.f_linalg_eigh("L")?;
    // cov(f, y_k) = s_k (μ_k − μ) with the class's share s_k of the weights
    let cross = class_means(data)?.f_sub(&mean)?.f_mul(&share_row.f_tr()?)?.f_tr()?;
    Ok(Ridge {
        // Rounding makes eigenvalues of constant features slightly negative.
        eigenvalues: eigenvalues.f_clamp_min(0.0)?,
        rotated: vectors.f_tr()?.f_matmul(&cross)?,
        vectors,
        mean: mean.f_tr()?,
        shares,
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
