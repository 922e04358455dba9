//! Weights of many heads side by side, and one step of all of them.

use super::{
    bridge::{from_f32, from_f64, size, to_f32},
    error::TrainError,
    loss::LossRows,
    momentum::MomentumScale,
    weights::LinearHead,
};
use crate::methods::SgdSettings;
use tch::{Device, Kind, Tensor};

/// Trained weights of a group: `weight` `[D, H·C]`, `bias` `[1, H·C]`.
#[derive(Debug)]
pub(super) struct GroupWeights {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

impl GroupWeights {
    /// Puts heads side by side.
    pub(super) fn new(heads: &[LinearHead], device: Device) -> Result<Self, TrainError> {
        let columns = heads
            .iter()
            .map(|head| from_f32(&head.columns(), &[size(head.dim), size(head.classes)], device))
            .collect::<Result<Vec<_>, _>>()?;
        let bias: Vec<f32> = heads.iter().flat_map(|head| head.bias.iter().copied()).collect();
        Ok(Self {
            weight: Tensor::f_cat(&columns, 1)?.f_contiguous()?,
            bias: from_f32(&bias, &[1, size(bias.len())], device)?,
        })
    }

    /// Logits `[B, H·C]` of features `[B, D]`.
    pub(super) fn logits(&self, features: &Tensor) -> Result<Tensor, TrainError> {
        Ok(self.bias.f_addmm(features, &self.weight)?)
    }

    /// A copy of its own.
    pub(super) fn snapshot(&self) -> Result<Self, TrainError> {
        Ok(Self { weight: self.weight.f_alias_copy()?, bias: self.bias.f_alias_copy()? })
    }

    /// Takes over one head's columns from another group of the same shape.
    pub(super) fn copy_head(&self, from: &Self, head: usize, classes: usize) -> Result<(), TrainError> {
        let (start, length) = (size(head * classes), size(classes));
        for (to, from) in [(&self.weight, &from.weight), (&self.bias, &from.bias)] {
            to.f_narrow(1, start, length)?.f_copy_(&from.f_narrow(1, start, length)?)?;
        }
        Ok(())
    }

    /// One head on the host.
    pub(super) fn head(&self, head: usize, classes: usize) -> Result<LinearHead, TrainError> {
        let (start, length) = (size(head * classes), size(classes));
        let weight = to_f32(&self.weight.f_narrow(1, start, length)?.f_tr()?)?;
        let dim = weight.len() / classes.max(1);
        Ok(LinearHead { classes, dim, weight, bias: to_f32(&self.bias.f_narrow(1, start, length)?)? })
    }
}

/// Heads in training.
#[derive(Debug)]
pub(super) struct HeadGroup {
    pub(super) weights: GroupWeights,
    /// Momentum divided by the scale of [`MomentumScale`].
    weight_momentum: Tensor,
    bias_momentum: Tensor,
    scale: MomentumScale,
    loss: LossRows,
    settings: Vec<SgdSettings>,
    classes: usize,
    /// Learning rates of the epoch, `[1, H·C]`.
    lr: Tensor,
    /// Weight decay of weight and bias, `[1, H·C]`, where any head has one.
    weight_decay: Option<Tensor>,
    bias_decay: Option<Tensor>,
}

impl HeadGroup {
    /// Starts heads at given weights.
    pub(super) fn new(
        start: &[LinearHead],
        loss: LossRows,
        settings: Vec<SgdSettings>,
        device: Device,
    ) -> Result<Self, TrainError> {
        let classes = start.first().map_or(0, |head| head.classes);
        let weights = GroupWeights::new(start, device)?;
        let decay = |value: fn(&SgdSettings) -> f64| -> Result<Option<Tensor>, TrainError> {
            let values: Vec<f64> = settings.iter().map(value).collect();
            values.iter().any(|&value| value != 0.0).then(|| row(&values, classes, device)).transpose()
        };
        Ok(Self {
            weight_momentum: weights.weight.f_zeros_like()?,
            bias_momentum: weights.bias.f_zeros_like()?,
            scale: MomentumScale::new(settings.first().map_or(0.0, |settings| settings.momentum)),
            lr: weights.bias.f_zeros_like()?,
            weight_decay: decay(|settings| settings.weight_decay)?,
            bias_decay: decay(|settings| if settings.decay_bias { settings.weight_decay } else { 0.0 })?,
            weights,
            loss,
            settings,
            classes,
        })
    }

    /// Sets the learning rates of an epoch.
    pub(super) fn start_epoch(&mut self, epoch: usize) -> Result<(), TrainError> {
        let lr = |settings: &SgdSettings| settings.lr * settings.schedule.factor(epoch, settings.epochs);
        let values: Vec<f64> = self.settings.iter().map(lr).collect();
        self.lr = row(&values, self.classes, self.lr.device())?;
        Ok(())
    }

    /// One step of all heads on the same batch: features `[B, D]`, labels `[B]`.
    ///
    /// The batch is worked on in pieces of at most `rows`, so that full batches need no more memory than small ones.
    pub(super) fn step(&mut self, features: &Tensor, labels: &Tensor, rows: usize) -> Result<(), TrainError> {
        let step = self.scale.step();
        for momentum in [&mut self.weight_momentum, &mut self.bias_momentum] {
            if step.rescale != 1.0 {
                let _ = momentum.f_mul_scalar_(step.rescale)?;
            }
        }
        let divisor = self.loss.divisor(labels)?;
        let factor = 1.0 / (divisor.shared() * step.scale);
        let batch = labels.size().first().copied().unwrap_or(0);
        let rows = size(rows.max(1));
        for start in (0..batch).step_by(usize::try_from(rows).unwrap_or(1)) {
            let length = rows.min(batch - start);
            let (x, y) = if length == batch {
                (features.shallow_clone(), labels.shallow_clone())
            } else {
                (features.f_narrow(0, start, length)?, labels.f_narrow(0, start, length)?)
            };
            let gradient = self.loss.gradient(self.weights.logits(&x)?, &y, &divisor)?;
            // The factor goes into the small matrix.
            let _ = self.weight_momentum.f_addmm_(&x.f_mul_scalar(factor)?.f_tr()?, &gradient)?;
            let ones = Tensor::f_full([1, length], factor, (Kind::Float, x.device()))?;
            let _ = self.bias_momentum.f_addmm_(&ones, &gradient)?;
        }
        let lr = self.lr.f_mul_scalar(-step.scale)?;
        let parameters = [
            (&mut self.weights.weight, &mut self.weight_momentum, &self.weight_decay),
            (&mut self.weights.bias, &mut self.bias_momentum, &self.bias_decay),
        ];
        for (weight, momentum, decay) in parameters {
            if let Some(decay) = decay {
                let _ = momentum.f_addcmul_(weight, &decay.f_mul_scalar(1.0 / step.scale)?)?;
            }
            let _ = weight.f_addcmul_(momentum, &lr)?;
        }
        Ok(())
    }

    /// Which heads still have finite weights, `[H]`; a device sync.
    pub(super) fn finite(&self) -> Result<Vec<bool>, TrainError> {
        let sum = |tensor: &Tensor| tensor.f_sum_dim_intlist([0_i64].as_slice(), true, Kind::Float);
        let columns = sum(&self.weights.weight)?.f_add(&self.weights.bias)?;
        let heads = columns.f_view([size(self.settings.len()), size(self.classes)])?;
        let sums = to_f32(&heads.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)?)?;
        Ok(sums.iter().map(|sum| sum.is_finite()).collect())
    }
}

/// A value for each head, repeated over its classes: `[1, H·C]`.
fn row(values: &[f64], classes: usize, device: Device) -> Result<Tensor, TrainError> {
    let repeated: Vec<f64> = values.iter().flat_map(|&value| std::iter::repeat_n(value, classes)).collect();
    from_f64(&repeated, &[1, size(repeated.len())], device)
}
