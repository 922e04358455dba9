//! The losses of stage 1.
//!
//! To add one: a [`LossKind`] here and one line in [`LOSSES`].

use crate::ExtractError;
use tch::{Reduction, TchError, Tensor};

/// Every loss that stage 1 can train with.
pub static LOSSES: &[LossKind] = &[CE];

/// A loss with a name.
#[derive(Debug)]
pub struct LossKind {
    /// The name on the command line and in checkpoints.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Logits `[B, C]` f32 and labels `[B]` i64 to the mean loss of the batch.
    pub value: fn(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError>,
}

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
    value: |logits, labels| logits.f_cross_entropy_loss(labels, None::<Tensor>, Reduction::Mean, -100, 0.0),
};
