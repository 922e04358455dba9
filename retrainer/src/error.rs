//! Everything that can stop the program, and what the user can do about it.

use crate::{
    metrics::EvaluationError, plan::GridError, plan::PlanError, records::RecordError, report::ReportError,
    train::TrainError,
};
use shared::{CacheError, Hint};
use std::path::PathBuf;

/// An error of `retrainer`.
#[derive(Debug, thiserror::Error)]
pub enum RetrainError {
    /// The feature cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The grid file.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// A grid that cannot run on this cache.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Measuring.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The run records.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// An unknown preset.
    #[error("unknown preset `{name}` (there are {available})")]
    UnknownPreset {
        /// The name given.
        name: String,
        /// The presets.
        available: String,
    },
    /// A record that this program cannot train again.
    #[error("run `{run_id}` cannot be trained again: {reason}")]
    NotRepeatable {
        /// The run.
        run_id: String,
        /// Why.
        reason: String,
    },
    /// A head and a cache of other sizes.
    #[error("`{}` has a head of {got}, expected {expected}", path.display())]
    HeadShape {
        /// The head file.
        path: PathBuf,
        /// The cache's sizes.
        expected: String,
        /// The head's.
        got: String,
    },
    /// The handler for Ctrl-C.
    #[error("could not listen for Ctrl-C")]
    Interrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Hint for RetrainError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::Grid(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::Train(error) => error.hint(),
            Self::Record(error) => error.hint(),
            Self::Report(error) => error.hint(),
            Self::UnknownPreset { .. } => {
                Some("or give a grid file of your own with `--grid FILE.toml`".to_owned())
            }
            Self::NotRepeatable { .. } => {
                Some("give the cache that it was trained on with `--cache`".to_owned())
            }
            Self::HeadShape { .. } => {
                Some("evaluate the head on the cache that it was trained on".to_owned())
            }
            Self::Evaluation(_) | Self::Interrupt(_) => None,
        }
    }
}
