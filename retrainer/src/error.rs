//! Everything that can stop the program, and what the user can do about it.

use cache::CacheError;
use engine::TrainError;
use experiment::{
    methods::ParamError,
    metrics::EvaluationError,
    plan::{GridError, PlanError},
    records::RecordError,
    report::ReportError,
    select::SelectError,
};
use files::{FileError, Hint, content::Content, text};
use program::partition::UnknownTask;
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
    /// A setting that a method does not take.
    #[error(transparent)]
    Setting(#[from] ParamError),
    /// No stage-1 head came out of training one.
    #[error("the plain CE head that stands in for the stage-1 head diverged at every learning rate")]
    NoStage1Head,
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
    /// `--partition auto` without a number.
    #[error(transparent)]
    UnknownTask(#[from] UnknownTask),
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
    /// No run can be said to be the best.
    #[error("`{}` has no best run: {reason}", text::path(path))]
    NoBest {
        /// The records.
        path: PathBuf,
        /// Why.
        reason: String,
        /// What helps.
        hint: &'static str,
    },
    /// Results that a protocol cannot choose from.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A table that could not be written.
    #[error("could not write a table")]
    Csv(#[from] csv::Error),
    /// The cache of a run is not where it was.
    #[error("run `{run_id}` was trained on the cache `{}`, which is not there", text::path(path))]
    CacheMoved {
        /// The run.
        run_id: String,
        /// Where the cache was.
        path: PathBuf,
    },
    /// A grid is to be planned, and nothing says on which cache.
    #[error("no run of `{}` says on which cache its grid is", text::path(path))]
    NoCacheNamed {
        /// The RUNS folder.
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
            Self::Setting(error) => error.hint(),
            Self::NoStage1Head => Some(
                "look at the features with `extractor inspect CACHE`, or leave out the methods that need that head"
                    .to_owned(),
            ),
            Self::Plan(error) => error.hint(),
            Self::Train(error) => error.hint(),
            Self::Record(error) => error.hint(),
            Self::Report(error) => error.hint(),
            Self::UnknownTask(error) => Some(error.hint()),
            Self::UnknownPreset { suggestion: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Self::UnknownPreset { .. } => {
                Some("or give a grid file of your own with `--grid FILE.toml`".to_owned())
            }
            Self::NotRepeatable { hint, .. } | Self::NoBest { hint, .. } => Some((*hint).to_owned()),
            Self::Select(error) => error.hint(),
            Self::CacheMoved { .. } | Self::NoCacheNamed { .. } => Some("say where it is now with `--cache CACHE`".to_owned()),
            Self::InsideCache { .. } => {
                Some("a cache is only read: choose another folder".to_owned())
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
            Self::Evaluation(_) | Self::Csv(_) | Self::Interrupt(_) => None,
        }
    }
}
