//! Many heads side by side, and one step of all of them.

use super::{
    classifier::{Parameters, Pull, lengths},
    data::{Batch, Data, Pass, pieces},
    error::TrainError,
    loss::{LossRows, Samples},
    momentum::MomentumScale,
    noise::NoiseSource,
};
use experiment::{
    methods::{Reduction, SgdSettings},
    plan::{GroupKey, Precision},
    spec::{Loss, ProjectEvery, Recipe, first_weighted_epoch},
};
use std::ops::Range;
use tch::{Device, Kind, Tensor};
use torch::numbers::{from_f64, size, to_f32};

/// Heads in training.
#[derive(Debug)]
pub(super) struct HeadGroup {
    pub(super) parameters: Box<Parameters>,
    /// Momentum of each trained tensor, divided by the scale of [`MomentumScale`].
    momenta: Vec<Tensor>,
    /// Weight decay of each trained tensor, `[1, H·columns]`, where any head has one.
    decays: Vec<Option<Tensor>>,
    /// Learning rate of the epoch for each trained tensor, `[1, H·columns]`.
    rates: Vec<Tensor>,
    scale: MomentumScale,
    loss: LossRows,
    losses: Vec<(Loss, Reduction)>,
    /// Which heads use their class weights in this epoch.
    weighted: Vec<bool>,
    /// The fraction of the epochs after which each head does.
    weight_from: Vec<f64>,
    settings: Vec<SgdSettings>,
    /// Bounds of the weight vectors after steps and epochs, `[1, H·C]`, where any head has one.
    step_bounds: Option<Tensor>,
    epoch_bounds: Option<Tensor>,
    precision: Precision,
    device: Device,
    noise: NoiseSource,
}

/// A head as a group needs it.
#[derive(Debug)]
pub(super) struct Member<'job> {
    pub(super) recipe: &'job Recipe,
    pub(super) settings: SgdSettings,
    /// Bound δ on its weight vectors; ∞ for none.
    pub(super) bound: f64,
}

impl HeadGroup {
    /// Starts heads at given parameters.
    pub(super) fn new(
        parameters: Box<Parameters>,
        members: &[Member<'_>],
        losses: Vec<(Loss, Reduction)>,
        key: &GroupKey,
        device: Device,
    ) -> Result<Self, TrainError> {
        let settings: Vec<SgdSettings> = members.iter().map(|member| member.settings).collect();
        let weight_from: Vec<f64> = members.iter().map(|member| member.recipe.weight_from).collect();
        let (mut momenta, mut decays, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for (tensor, is_bias) in parameters.trained() {
            momenta.push(tensor.f_zeros_like()?);
            let decay = |settings: &SgdSettings| {
                if is_bias && !settings.decay_bias { 0.0 } else { settings.weight_decay }
            };
            let values: Vec<f64> = settings.iter().map(decay).collect();
            let any = values.iter().any(|&value| value != 0.0);
            decays.push(any.then(|| row(&values, columns(tensor, settings.len()), device)).transpose()?);
            rates.push(Tensor::f_zeros(
                [1, tensor.size().last().copied().unwrap_or(0)],
                (Kind::Float, device),
            )?);
        }
        let bounds = |every: ProjectEvery| -> Result<Option<Tensor>, TrainError> {
            let bound = |member: &Member<'_>| match member.recipe.max_norm {
                Some(max_norm) if max_norm.every == every => member.bound,
                _ => f64::INFINITY,
            };
            let values: Vec<f64> = members.iter().map(bound).collect();
            match parameters.weight() {
                Some(weight) if values.iter().any(|bound| bound.is_finite()) => {
                    row(&values, columns(weight, members.len()), device).map(Some)
                }
                _ => Ok(None),
            }
        };
        let references: Vec<(&Loss, Reduction)> =
            losses.iter().map(|(loss, reduction)| (loss, *reduction)).collect();
        Ok(Self {
            momenta,
            decays,
            rates,
            scale: MomentumScale::new(settings.first().map_or(0.0, |settings| settings.momentum)),
            loss: LossRows::new(&references, device)?,
            weighted: vec![true; members.len()],
            weight_from,
            step_bounds: bounds(ProjectEvery::Step)?,
            epoch_bounds: bounds(ProjectEvery::Epoch)?,
            parameters,
            losses,
            settings,
            precision: key.precision,
            device,
            noise: NoiseSource { seed: key.stream.seed, epoch: 0 },
        })
    }

    /// Sets the learning rates and the class weights of an epoch.
    pub(super) fn start_epoch(&mut self, epoch: usize) -> Result<(), TrainError> {
        self.noise.epoch = epoch;
        let lr = |settings: &SgdSettings| settings.lr * settings.schedule.factor(epoch, settings.epochs);
        let values: Vec<f64> = self.settings.iter().map(lr).collect();
        let trained = self.parameters.trained();
        let rates =
            trained.iter().map(|(tensor, _)| row(&values, columns(tensor, values.len()), self.device));
        self.rates = rates.collect::<Result<_, _>>()?;
        let begun = |(settings, &from): (&SgdSettings, &f64)| {
            epoch as f64 >= first_weighted_epoch(from, settings.epochs as f64)
        };
        let weighted: Vec<bool> = self.settings.iter().zip(&self.weight_from).map(begun).collect();
        if weighted != self.weighted {
            let losses: Vec<(Loss, Reduction)> = self
                .losses
                .iter()
                .zip(&weighted)
                .map(|((loss, reduction), &weighted)| {
                    let mut loss = loss.clone();
                    if !weighted {
                        loss.weight.fill(1.0);
                    }
                    (loss, *reduction)
                })
                .collect();
            let references: Vec<_> = losses.iter().map(|(loss, reduction)| (loss, *reduction)).collect();
            self.loss = LossRows::new(&references, self.device)?;
            self.weighted = weighted;
        }
        Ok(())
    }

    /// One step of all heads on the samples of a pass in `range`.
    ///
    /// They are worked on in pieces of at most `rows`, so that full batches need no more memory than small ones.
    pub(super) fn step(
        &mut self,
        data: &Data<'_>,
        pass: &Pass,
        range: Range<usize>,
        rows: usize,
    ) -> Result<(), TrainError> {
        let step = self.scale.step();
        if step.rescale != 1.0 {
            for momentum in &mut self.momenta {
                let _ = momentum.f_mul_scalar_(step.rescale)?;
            }
        }
        let divisor = self.loss.divisor(&pass.labels(&range)?)?;
        let factor = 1.0 / (divisor.shared() * step.scale);
        for piece in pieces(range.len(), rows) {
            let piece = range.start + piece.start..range.start + piece.end;
            let batch = data.batch(pass, piece.clone());
            let samples = self.samples(data, &batch, pass, &piece)?;
            let logits = self.parameters.logits(&batch, self.precision)?;
            let kept = self.parameters.keeps_logits().then(|| logits.f_alias_copy()).transpose()?;
            let gradient = self.loss.gradient(&logits, &samples, &divisor)?;
            let pull = Pull { batch: &batch, logits: kept, gradient, factor, precision: self.precision };
            self.parameters.add_gradients(&mut self.momenta, &pull)?;
        }
        let trained = self.parameters.trained();
        let state = self.momenta.iter_mut().zip(&self.decays).zip(&self.rates);
        for ((parameter, _), ((momentum, decay), rate)) in trained.into_iter().zip(state) {
            if let Some(decay) = decay {
                let _ = momentum.f_addcmul_(parameter, &decay.f_mul_scalar(1.0 / step.scale)?)?;
            }
            let _ = parameter.shallow_clone().f_addcmul_(momentum, &rate.f_mul_scalar(-step.scale)?)?;
        }
        self.project(self.step_bounds.as_ref())
    }

    /// What the losses read of the samples of a pass in `range`.
    fn samples(
        &self,
        data: &Data<'_>,
        batch: &Batch<'_>,
        pass: &Pass,
        range: &Range<usize>,
    ) -> Result<Samples, TrainError> {
        let lengths = || -> Result<Tensor, TrainError> {
            Ok(batch.features()?.f_norm_scalaropt_dim(1, [1_i64].as_slice(), true)?.f_unsqueeze(2)?)
        };
        let classes = data.class_counts.classes();
        let noise = || self.noise.clouds(range.start, range.len(), classes, self.device);
        Ok(Samples {
            labels: pass.labels(range)?,
            lengths: self.loss.reads_lengths().then(lengths).transpose()?,
            noise: self.loss.reads_noise().then(noise).transpose()?,
        })
    }

    /// Ends an epoch.
    pub(super) fn end_epoch(&self) -> Result<(), TrainError> {
        self.project(self.epoch_bounds.as_ref())
    }

    /// `w ← min(1, δ/|w|) w` for each weight vector.
    fn project(&self, bounds: Option<&Tensor>) -> Result<(), TrainError> {
        if let (Some(bounds), Some(weight)) = (bounds, self.parameters.weight()) {
            let factor = bounds.f_div(&lengths(weight)?)?.f_clamp_max(1.0)?;
            let _ = weight.shallow_clone().f_mul_(&factor)?;
        }
        Ok(())
    }

    /// Which heads still have finite parameters, `[H]`; a device sync.
    pub(super) fn finite(&self) -> Result<Vec<bool>, TrainError> {
        let heads = self.settings.len();
        let mut total = Tensor::f_zeros([size(heads)], (Kind::Float, self.device))?;
        for (tensor, _) in self.parameters.trained() {
            let columns = tensor.f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Float)?;
            let sums = columns.f_view([size(heads), -1])?;
            let _ = total.f_add_(&sums.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)?)?;
        }
        Ok(to_f32(&total)?.iter().map(|sum| sum.is_finite()).collect())
    }
}

/// Columns of one head in a tensor of a group.
fn columns(tensor: &Tensor, heads: usize) -> usize {
    let all = tensor.size().last().copied().unwrap_or(0);
    usize::try_from(all).unwrap_or(0) / heads.max(1)
}

/// A value for each head, repeated over its columns: `[1, H·columns]`.
fn row(values: &[f64], columns: usize, device: Device) -> Result<Tensor, TrainError> {
    let repeated: Vec<f64> = values.iter().flat_map(|&value| std::iter::repeat_n(value, columns)).collect();
    Ok(from_f64(&repeated, &[1, size(repeated.len())], device)?)
}
