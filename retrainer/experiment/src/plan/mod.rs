//! From a grid file to a plan: points, run ids, groups; printable, no tensors.

mod error;
mod grid;
mod group;
pub mod memory;
mod precision;
mod presets;
mod sweep_plan;

pub use error::PlanError;
pub use grid::{Grid, GridError, MAX_HEADS, Point};
pub use group::{GroupKey, HeadTask, PlannedHead, PlannedWork, StreamKey, TrainedJob, UntrainedJob, Work};
pub use precision::Precision;
pub use presets::{PRESETS, Preset, default_grid};
pub use sweep_plan::{CacheShape, Resources, SweepPlan};

pub use sweep_plan::record_params;
