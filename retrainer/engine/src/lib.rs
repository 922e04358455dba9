//! The engine: the only code of the retrainer that touches tensors. It trains what `experiment` has planned.
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
//! `classifier/` has the same for heads that are not linear in their parameters, a file each. Nothing reduces across heads: a head that diverges becomes NaN alone, and a head in a group equals the same head alone.

#![forbid(unsafe_code)]

mod area;
mod bench;
mod classifier;
mod closed_form;
mod data;
mod device;
mod error;
mod evaluate;
mod features;
mod fit;
#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::too_many_lines,
    reason = "sizes of five and numbers near one, in a table of recorded cases"
)]
mod golden;
mod head;
mod head_group;
mod loss;
mod momentum;
mod noise;
mod normalised;
mod post_hoc;
mod product;
mod sampler;
mod scores;
mod states;
mod statistics;
mod sweep;

pub use bench::{Measured, Products, Steps, copy_rate, matmul_rate, measure, step_bytes};
pub use data::Data;
pub use device::{Device, free_memory, one_thread, resolve as resolve_device, restart_for};
pub use error::TrainError;
pub use fit::{FittedHead, run as run_work};
pub use normalised::{mean_square, normalisation};
pub use states::Tested;
pub use sweep::{Sweep, SweepEnd};
