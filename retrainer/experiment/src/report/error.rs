//! What can go wrong with a report.

use super::groups::GroupError;
use crate::{methods::Method, records::RecordError, select::SelectError};
use files::{FileError, Hint, text};
use program::names::nearest;
use std::path::PathBuf;
use thiserror::Error;

/// A report that cannot be made or written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The RUNS folder cannot be read.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The protocol cannot choose.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Groups of classes cannot be made.
    #[error(transparent)]
    Groups(#[from] GroupError),
    /// There is nothing to report.
    #[error("no runs in `{}`{}", text::path(path), got.as_ref().map_or(String::new(), |got| format!(", which is {got}")))]
    NoRuns {
        /// The RUNS folder.
        path: PathBuf,
        /// What it is instead, where it is known.
        got: Option<String>,
    },
    /// A method that no run has.
    #[error("no run of method `{name}`")]
    UnknownMethod {
        /// The name as given.
        name: String,
        /// The methods that there are.
        known: Vec<String>,
    },
    /// The runs lack what a figure needs.
    #[error("no figure `{figure}` of these runs: it shows {about}")]
    NoFigure {
        /// Name of the figure.
        figure: &'static str,
        /// What it would show.
        about: &'static str,
    },
    /// The format of an output file cannot be told.
    #[error("cannot tell the format of `{}` from its name", text::path(path))]
    UnknownExtension {
        /// The file.
        path: PathBuf,
    },
    /// The kind of an image file cannot be told.
    #[error("cannot tell the kind of image of `{}` from its name", text::path(path))]
    UnknownImage {
        /// The file.
        path: PathBuf,
    },
    /// The output file cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// The table cannot be encoded.
    #[error("cannot encode the report as {format}")]
    Encode {
        /// Name of the format.
        format: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Hint for ReportError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Records(error) => error.hint(),
            Self::Select(error) => error.hint(),
            Self::Groups(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::NoRuns { got: None, .. } => {
                Some("run `retrainer sweep --out RUNS` first, or check the path".to_owned())
            }
            Self::NoRuns { got: Some(_), .. } => {
                Some("give the folder of run records that `retrainer sweep --out RUNS` wrote".to_owned())
            }
            Self::UnknownMethod { name, known } => Some(match meant(name, known) {
                Some(meant) => format!("did you mean `{meant}`? there are runs of {}", known.join(", ")),
                None => {
                    format!("there are runs of {}; `retrainer methods` lists all methods", known.join(", "))
                }
            }),
            Self::NoFigure { .. } => Some(
                "sweep the methods and values that it shows; where a method has several grid points, choose by `--select val`"
                    .to_owned(),
            ),
            Self::UnknownImage { .. } => Some("end it in `.svg` or `.png`".to_owned()),
            Self::UnknownExtension { .. } => Some("give `--format`".to_owned()),
            Self::Encode { .. } => None,
        }
    }
}

/// The known method that a name stands for or is near to.
fn meant(name: &str, known: &[String]) -> Option<String> {
    let full = Method::find(name).ok().map(|method| method.name.to_owned());
    full.filter(|full| known.contains(full))
        .or_else(|| nearest(name, known.iter().map(String::as_str)).map(str::to_owned))
}
