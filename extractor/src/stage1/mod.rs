//! Stage 1: a backbone and its head trained together on the long-tailed set.
//!
//! ```text
//! Dataset ─▶ batches ─▶ Backbone ─▶ Head ─▶ loss ─▶ Sgd ─▶ [checkpoint.safetensors] + [train.jsonl]
//! ```
//!
//! Everything random is a function of (seed, purpose, epoch), so a run that was killed continues from its last finished
//! epoch and, on a CPU with the same number of threads, ends with the same bits as one that was not.

mod accuracy;
mod best;
mod cadence;
mod checkpoint;
mod head;
mod judge;
mod log;
mod loss;
mod recipe;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod resume;
mod schedule;
mod sgd;
mod train;

pub use accuracy::Accuracy;
pub use best::BEST_FOLDER;
pub use checkpoint::{CHECKPOINT_FILE, Checkpoint, CheckpointInfo, Position};
pub use head::Head;
pub use judge::{Judge, Selected};
pub use log::{EpochRecord, LOG_FILE, read_log};
pub use loss::{LOSSES, LossKind, LossSettings};
pub use recipe::Recipe;
pub use schedule::{SCHEDULES, Schedule};
pub(crate) use train::Steps;
pub use train::{TrainOptions, TrainOutcome, check_out, train};
