//! From a grid file to a plan: points, run ids, groups; printable, no tensors.

mod conditions;
mod cost;
mod deal;
mod error;
mod grid;
mod group;
pub mod memory;
mod normalise;
mod point;
mod precision;
mod presets;
mod relative;
mod shape;
mod skipped;
mod sweep_plan;

pub use error::PlanError;
pub use grid::{Finalists, Grid, GridError};
pub use group::{GroupKey, HeadTask, PlannedHead, PlannedWork, StreamKey, TrainedJob, UntrainedJob, Work};
pub use normalise::Normalise;
pub use point::Point;
pub use precision::Precision;
pub use presets::{PRESETS, Preset, default_grid};
pub use shape::CacheShape;
pub use sweep_plan::{Resources, SweepPlan};

pub use conditions::{Conditions, needs_stage1, record_params};
pub use relative::{SCALED_DIGITS, rounded};
