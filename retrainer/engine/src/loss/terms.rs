//! The terms of several heads' losses side by side.

use crate::error::TrainError;
use experiment::{
    methods::Reduction,
    spec::{
        Loss,
        loss::{Axis, Term},
    },
};
use tch::{Device, Tensor};
use torch::numbers::{from_f64, size};

/// The losses of H heads over C classes, of one family, whose terms become tensors.
#[derive(Debug)]
pub(super) struct Stack<'a> {
    pub(super) losses: &'a [(&'a Loss, Reduction)],
    pub(super) heads: i64,
    pub(super) classes: i64,
    pub(super) device: Device,
}

impl<'a> Stack<'a> {
    pub(super) fn new(losses: &'a [(&'a Loss, Reduction)], device: Device) -> Self {
        let classes = losses.first().map_or(0, |(loss, _)| loss.classes());
        Self { losses, heads: size(losses.len()), classes: size(classes), device }
    }

    /// A term of all heads where any needs it: a part that is neutral for all costs nothing.
    pub(super) fn term(&self, term: &Term) -> Result<Option<Tensor>, TrainError> {
        let any = self.losses.iter().any(|(loss, _)| term.acts(loss));
        any.then(|| self.all(term)).transpose()
    }

    /// A term of all heads: `[1, H, C]` by class, `[C, H]` by label, of which a batch selects its labels' rows, or `[1, H, 1]`.
    pub(super) fn all(&self, term: &Term) -> Result<Tensor, TrainError> {
        let values: Vec<f64> =
            self.losses.iter().flat_map(|(loss, _)| term.values(loss).into_owned()).collect();
        Ok(match term.axis {
            Axis::Class => from_f64(&values, &[1, self.heads, self.classes], self.device)?,
            Axis::Label => {
                from_f64(&values, &[self.heads, self.classes], self.device)?.f_tr()?.f_contiguous()?
            }
            Axis::Head => from_f64(&values, &[1, self.heads, 1], self.device)?,
        })
    }
}

/// The rows of a batch's labels, `[B, H, 1]`.
pub(super) fn select(rows: &Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
    Ok(rows.f_index_select(0, labels)?.f_unsqueeze(2)?)
}
