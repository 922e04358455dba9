//! The engine: the only code that touches tensors.
//!
//! Heads that share every batch form a group. Their weights stand side by side in one matrix `[D, H·C]`, so that one step
//! is one wide product forward, a closed-form gradient (no autograd), one wide product backward, and one pass that applies
//! the step with a learning rate for each head:
//!
//! ```text
//! Z = X W + b                 [B, D] × [D, H·C]
//! G = ∂L/∂Z                   loss/, elementwise, each head by its own rows
//! M ← μ M + Xᵀ G + λ ⊙ W      momentum.rs keeps M scaled, so that μ costs no pass
//! W ← W − η ⊙ M
//! ```
//!
//! `classifier.rs` has the same for heads that are not linear in their parameters. Nothing reduces across heads: a head that diverges becomes NaN alone, and a head in a group equals the same head alone.

mod area;
mod bench;
mod bridge;
mod classifier;
mod closed_form;
mod data;
mod device;
mod error;
mod evaluate;
mod fit;
#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "sizes of five and numbers near one"
)]
mod golden;
mod head_group;
mod loss;
mod momentum;
mod post_hoc;
mod product;
mod sampler;
mod states;
mod sweep;
mod weights;

pub use bench::{Measured, Products, Steps, copy_rate, matmul_rate, measure, step_bytes};
pub use data::Data;
pub use device::{Device, free_memory, resolve as resolve_device, restart_for};
pub use error::TrainError;
pub use fit::{FittedHead, State, StateKind, run as run_work};
pub use states::EpochScores;
pub use sweep::{Sweep, SweepEnd};
pub use weights::{Alignment, HeadForm, LinearHead};

/// Rows of an evaluation that are turned into logits at once, at most.
pub(crate) const EVALUATION_ROWS: usize = 1024;

/// Numbers in a matrix of logits, at most: 64 MiB of f32.
const LOGITS_AT_ONCE: usize = 1 << 24;

/// Rows whose logits are in memory at once, for a group with this many columns (heads × classes).
pub(crate) fn rows_at_once(columns: usize) -> usize {
    (LOGITS_AT_ONCE / columns.max(1)).max(1)
}

/// Stage-1 logits of the training samples that a worker keeps, at most: 512 MiB of f32. Beyond, they are computed batch by
/// batch.
const LOGITS_KEPT: usize = 1 << 27;

/// Numbers of the stage-1 logits that a worker keeps where it needs them.
pub(crate) fn kept_logits(samples: usize, classes: usize) -> usize {
    let all = samples.saturating_mul(classes);
    if all <= LOGITS_KEPT { all } else { 0 }
}
