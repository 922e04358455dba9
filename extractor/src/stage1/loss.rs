//! The losses of stage 1: all are cross-entropy, on logits that a loss may shift by class, with weights that it may give.
//!
//! To add one: a [`LossKind`] here and one line in [`LOSSES`].

use crate::ExtractError;
use cache::{ClassCounts, HeadKind};
use longtail::{effective_number_weights, ldam_margins};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, TchError, Tensor};

/// Every loss that stage 1 can train with.
pub static LOSSES: &[LossKind] = &[CE, CE_DRW, LDAM_DRW, BS];

/// A loss with a name.
#[derive(Debug)]
pub struct LossKind {
    /// The name on the command line and in checkpoints.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// The head whose logits it takes.
    pub head: HeadKind,
    /// Whether late epochs weight the classes: deferred re-weighting.
    pub deferred: bool,
    /// A number for each class `[C]`, for `adjust`.
    terms: fn(&ClassCounts, &LossSettings) -> Vec<f64>,
    adjust: Adjust,
}

/// Logits `[B, C]`, labels `[B]` and the numbers of the classes `[C]` to the logits `[B, C]` of the cross-entropy.
type Adjust = fn(&Tensor, &Tensor, &Tensor, &LossSettings) -> Result<Tensor, TchError>;

impl LossKind {
    /// The loss of this name.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`].
    pub fn named(name: &str) -> Result<&'static Self, ExtractError> {
        LOSSES.iter().find(|kind| kind.name == name).ok_or_else(|| ExtractError::UnknownName {
            kind: "loss",
            name: name.to_owned(),
            known: LOSSES.iter().map(|kind| kind.name.to_owned()).collect(),
        })
    }
}

const CE: LossKind = LossKind {
    name: "ce",
    about: "cross-entropy",
    head: HeadKind::Linear,
    deferred: false,
    terms: |_, _| Vec::new(),
    adjust: |logits, _, _, _| Ok(logits.shallow_clone()),
};

/// Cao et al. 2019, arXiv 1906.07413, Algorithm 1, with the weights of Cui et al. 2019, arXiv 1901.05555.
const CE_DRW: LossKind = LossKind {
    name: "ce-drw",
    about: "cross-entropy, classes weighted by their effective number of samples in the last epochs",
    deferred: true,
    ..CE
};

/// Cao et al. 2019, arXiv 1906.07413, Eq. 13: s · (cos_k − Δ_k [k = y]) with Δ_k ∝ n_k^(−1/4).
const LDAM_DRW: LossKind = LossKind {
    name: "ldam-drw",
    about: "label-distribution-aware margins on a cosine head, weighted as ce-drw",
    head: HeadKind::Cosine,
    deferred: true,
    terms: |class_counts, settings| ldam_margins(class_counts.counts(), settings.max_margin),
    adjust: |cosines, labels, margins, settings| {
        let margins = margins.f_index_select(0, labels)?.f_unsqueeze(1)?; // [B, 1]
        let margins = cosines.f_zeros_like()?.f_scatter(1, &labels.f_unsqueeze(1)?, &margins)?;
        cosines.f_sub(&margins)?.f_mul_scalar(settings.scale)
    },
};

/// Ren et al. 2020, arXiv 2007.10740, Eq. 4: z_k + ln n_k in training, z_k in tests.
const BS: LossKind = LossKind {
    name: "bs",
    about: "Balanced Softmax",
    terms: |class_counts, _| class_counts.counts().iter().map(|&n| (n as f64).ln()).collect(),
    adjust: |logits, _, log_counts, _| logits.f_add(log_counts),
    ..CE
};

/// The numbers in the losses' definitions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LossSettings {
    /// Deferred re-weighting begins after this fraction of the epochs.
    pub drw_start: f64,
    /// β of the effective number of samples (1 − β^n) / (1 − β).
    pub drw_beta: f64,
    /// LDAM's margin of the smallest class.
    pub max_margin: f64,
    /// LDAM's factor s between cosines and logits.
    pub scale: f64,
}

impl Default for LossSettings {
    /// Those of LDAM-DRW's published code.
    fn default() -> Self {
        Self { drw_start: 0.8, drw_beta: 0.9999, max_margin: 0.5, scale: 30.0 }
    }
}

/// A loss for the classes of a training set.
#[derive(Debug)]
pub(super) struct Loss {
    kind: &'static LossKind,
    settings: LossSettings,
    /// `[C]`, or empty.
    terms: Tensor,
    /// `[C]` where re-weighting is deferred.
    weights: Option<Tensor>,
}

impl Loss {
    /// The loss of this name, in the number format of the logits.
    pub(super) fn new(
        name: &str,
        settings: LossSettings,
        class_counts: &ClassCounts,
        format: (Kind, Device),
    ) -> Result<Self, ExtractError> {
        let kind = LossKind::named(name)?;
        let tensor = |values: &[f64]| {
            let (kind, device) = format;
            Tensor::f_from_slice(values)?.f_to_dtype(kind, false, false)?.f_to(device)
        };
        let start = || -> Result<Self, TchError> {
            let weights = kind
                .deferred
                .then(|| tensor(&effective_number_weights(class_counts.counts(), settings.drw_beta)));
            Ok(Self {
                kind,
                settings,
                terms: tensor(&(kind.terms)(class_counts, &settings))?,
                weights: weights.transpose()?,
            })
        };
        start().map_err(ExtractError::torch("set up the loss"))
    }

    /// The weights of the classes `[C]` in an epoch, counted from zero, of a run of `epochs`.
    pub(super) fn weights(&self, epoch: u32, epochs: u32) -> Option<&Tensor> {
        // LDAM-DRW's code weights from epoch 160 of 200, counted from zero; the slack keeps 0.8 · 200 at 160.
        let start = self.settings.drw_start * f64::from(epochs) - 1e-9;
        self.weights.as_ref().filter(|_| f64::from(epoch) >= start)
    }

    /// The mean loss of a batch; with weights the weighted mean Σ w_y ℓ / Σ w_y, as PyTorch's.
    pub(super) fn mean(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        let logits = (self.kind.adjust)(logits, labels, &self.terms, &self.settings)?;
        logits.f_cross_entropy_loss(labels, weights, Reduction::Mean, -100, 0.0)
    }

    /// What the mean of a part of a batch counts in the mean of the whole: Σ w_y of the part over Σ w_y of the batch.
    pub(super) fn share(part: &Tensor, batch: &Tensor, weights: Option<&Tensor>) -> Result<Tensor, TchError> {
        let weight = |labels: &Tensor| match weights {
            Some(weights) => weights.f_index_select(0, labels)?.f_sum(weights.kind()),
            None => Tensor::f_full([0_i64; 0], labels.size1()? as f64, (Kind::Float, labels.device())),
        };
        weight(part)?.f_div(&weight(batch)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage1::recorded::{Case, reference};
    use proptest::prelude::*;

    const FORMAT: (Kind, Device) = (Kind::Double, Device::Cpu);

    fn loss(name: &str, counts: &[u64]) -> Loss {
        let counts = ClassCounts::new(counts.to_vec()).unwrap();
        Loss::new(name, LossSettings::default(), &counts, FORMAT).unwrap()
    }

    /// Values and gradients by PyTorch in float64, with LDAM-DRW's own arithmetic: `fixtures/stage1/record.py`. 1e-10 where
    /// the weights' 1 − β^n is computed from differences there, and everything else agrees to 1e-12.
    #[test]
    fn values_and_gradients_are_those_of_pytorch() {
        let reference = reference();
        let mut names = Vec::new();
        for Case { name, epoch, loss: expected, gradient } in &reference.losses {
            let loss = loss(name, &reference.class_counts);
            let logits =
                if loss.kind.head == HeadKind::Cosine { &reference.cosines } else { &reference.logits };
            let logits = Tensor::from_slice2(logits).set_requires_grad(true);
            let labels = Tensor::from_slice(&reference.labels);
            let value = loss.mean(&logits, &labels, loss.weights(*epoch, 200)).unwrap();
            value.backward();
            let difference = (value.double_value(&[]) - expected).abs();
            assert!(difference < 1e-10, "{name} in epoch {epoch}: differs by {difference:e}");
            let difference = (logits.grad() - Tensor::from_slice2(gradient)).abs().max().double_value(&[]);
            assert!(difference < 1e-10, "{name} in epoch {epoch}: gradient differs by {difference:e}");
            names.push(name.as_str());
        }
        assert!(LOSSES.iter().all(|kind| names.contains(&kind.name)), "{names:?}");
    }

    /// LDAM-DRW: `idx = epoch // 160` with epochs 0 … 199.
    #[test]
    fn reweighting_begins_at_four_fifths_of_the_epochs() {
        for name in ["ce-drw", "ldam-drw"] {
            let loss = loss(name, &[50, 5]);
            assert!(loss.weights(159, 200).is_none() && loss.weights(160, 200).is_some());
            assert!(
                loss.weights(0, 1).is_none() && loss.weights(3, 5).is_none() && loss.weights(4, 5).is_some()
            );
        }
        assert!(loss("ce", &[50, 5]).weights(199, 200).is_none());
    }

    /// ln 0 of Balanced Softmax takes an absent class out of the softmax; the others give it no margin and no weight.
    #[test]
    fn a_class_without_samples_leaves_every_loss_finite() {
        for kind in LOSSES {
            let loss = loss(kind.name, &[50, 0, 5]);
            let logits = Tensor::from_slice2(&[[0.5, 0.2, -0.1], [0.3, 0.9, 0.0]]).set_requires_grad(true);
            let value = loss.mean(&logits, &Tensor::from_slice(&[0_i64, 2]), loss.weights(9, 10)).unwrap();
            value.backward();
            assert!(value.double_value(&[]).is_finite(), "{}", kind.name);
            assert!(bool::try_from(logits.grad().isfinite().all()).unwrap(), "{}", kind.name);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// f64 sums in another order, shares in f32 where there are no weights: 1e-6.
        #[test]
        fn parts_of_a_batch_add_up_to_its_loss_and_gradient(
            logits in prop::collection::vec(-0.9..0.9_f64, 28), labels in prop::collection::vec(0..4_i64, 7), parts in 1..5_i64,
        ) {
            let batch = Tensor::from_slice(&labels);
            for kind in LOSSES {
                let loss = loss(kind.name, &[500, 120, 30, 5]);
                let weights = loss.weights(1, 1);
                let whole = Tensor::from_slice(&logits).reshape([7, 4]).set_requires_grad(true);
                let value = loss.mean(&whole, &batch, weights).unwrap();
                value.backward();
                let split = whole.detach().set_requires_grad(true);
                let mut sum = 0.0;
                for (logits, labels) in split.chunk(parts, 0).iter().zip(batch.chunk(parts, 0)) {
                    let share = Loss::share(&labels, &batch, weights).unwrap();
                    let part = loss.mean(logits, &labels, weights).unwrap() * share;
                    part.backward();
                    sum += part.double_value(&[]);
                }
                prop_assert!((sum - value.double_value(&[])).abs() < 1e-5, "{}", kind.name);
                let difference = (whole.grad() - split.grad()).abs().max().double_value(&[]);
                prop_assert!(difference < 1e-6, "{}: {difference:e}", kind.name);
            }
        }
    }

    proptest! {
        /// With one count for all classes: no re-weighting, no balance to restore.
        #[test]
        fn equal_counts_make_ce_drw_and_bs_cross_entropy(
            logits in prop::collection::vec(-9.0..9.0_f64, 12), label in 0..4_i64, n in 1..10_000_u64,
        ) {
            let logits = Tensor::from_slice(&logits).reshape([3, 4]);
            let labels = Tensor::from_slice(&[label, 0, 3]);
            let value = |name: &str| {
                let loss = loss(name, &[n; 4]);
                loss.mean(&logits, &labels, loss.weights(1, 1)).unwrap().double_value(&[])
            };
            for name in ["ce-drw", "bs"] {
                prop_assert!((value(name) - value("ce")).abs() < 1e-10);
            }
        }

        #[test]
        fn weights_sum_to_the_classes_and_fall_with_the_counts(
            mut counts in prop::collection::vec(1..1_000_000_u64, 2..50), beta in 0.0..0.99999_f64,
        ) {
            counts.sort_unstable();
            let weights = effective_number_weights(&counts, beta);
            prop_assert!((weights.iter().sum::<f64>() - counts.len() as f64).abs() < 1e-9 * counts.len() as f64);
            prop_assert!(weights.is_sorted_by(|left, right| left >= right));
        }
    }
}
