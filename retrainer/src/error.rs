//! Everything that can stop the program, and what the user can do about it.

use cache::CacheError;
use engine::TrainError;
use experiment::{
    metrics::EvaluationError,
    plan::{GridError, PlanError},
    records::RecordError,
    report::ReportError,
};
use files::{FileError, Hint, content::Content, text};
use std::path::PathBuf;

/// An error of `retrainer`.
#[derive(Debug, thiserror::Error)]
pub enum RetrainError {
    /// The feature cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file that is written.
    #[error(transparent)]
    File(#[from] FileError),
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
        /// The nearest preset.
        suggestion: Option<&'static str>,
    },
    /// A record that this program cannot train again.
    #[error("run `{run_id}` cannot be trained again: {reason}")]
    NotRepeatable {
        /// The run.
        run_id: String,
        /// Why.
        reason: String,
        /// What helps.
        hint: &'static str,
    },
    /// The cache of a run is not where it was.
    #[error("run `{run_id}` was trained on the cache `{}`, which is not there", text::path(path))]
    CacheMoved {
        /// The run.
        run_id: String,
        /// Where the cache was.
        path: PathBuf,
    },
    /// Records were to go into a feature cache.
    #[error("`{}` is in a feature cache", text::path(path))]
    InsideCache {
        /// The folder for the records.
        path: PathBuf,
    },
    /// Files of the cache were changed while a command read them.
    #[error("`{}` was changed while this command read the cache `{}`", text::path(file), text::path(path))]
    CacheChanged {
        /// The cache.
        path: PathBuf,
        /// The first file that differs.
        file: PathBuf,
    },
    /// A grid that is too long.
    #[error("`{}` is longer than a grid of {most} MB", text::path(path))]
    LongGrid {
        /// The file.
        path: PathBuf,
        /// The limit.
        most: u64,
    },
    /// A grid that is no text.
    #[error("`{}` is {}, expected a grid file", text::path(path), content.map_or("no text in UTF-8", Content::name))]
    GridNoText {
        /// The file.
        path: PathBuf,
        /// What the file is, where it is known.
        content: Option<Content>,
    },
    /// The handler for Ctrl-C.
    #[error("could not listen for Ctrl-C")]
    Interrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Hint for RetrainError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Grid(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::Train(error) => error.hint(),
            Self::Record(error) => error.hint(),
            Self::Report(error) => error.hint(),
            Self::UnknownPreset { suggestion: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Self::UnknownPreset { .. } => {
                Some("or give a grid file of your own with `--grid FILE.toml`".to_owned())
            }
            Self::NotRepeatable { hint, .. } => Some((*hint).to_owned()),
            Self::CacheMoved { .. } => Some("say where it is now with `--cache CACHE`".to_owned()),
            Self::InsideCache { .. } => {
                Some("a cache is only read: choose a folder of its own for the records".to_owned())
            }
            Self::CacheChanged { .. } => Some(
                "what was computed since is not kept: wait for the change to end, run `extractor verify CACHE`, then the same command"
                    .to_owned(),
            ),
            Self::GridNoText { content: None, .. } => {
                Some("save it as UTF-8: editors that write UTF-16 or Latin-1 offer it where they save".to_owned())
            }
            Self::GridNoText { content: Some(_), .. } => {
                Some("a grid file is TOML: `[[method]]` and `name = \"lort\"` make the shortest".to_owned())
            }
            Self::LongGrid { .. } => Some("shorten it, or split it over several files".to_owned()),
            Self::Evaluation(_) | Self::Interrupt(_) => None,
        }
    }
}
