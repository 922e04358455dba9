//! What can go wrong while training.

use cache::CacheError;
use experiment::metrics::EvaluationError;
use files::Hint;
use torch::Refusal;

/// Training that could not go on; a diverged head is a result, not an error.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(String),
    /// The machine has less memory than the work needs.
    #[error("not enough memory")]
    Memory,
    /// The system gives no thread for a worker.
    #[error("could not start a worker")]
    Thread(#[source] std::io::Error),
    /// The cache could not be read.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Logits and labels do not fit together.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The device that was asked for does not work.
    #[error("{0}")]
    Device(String),
    /// The method needs the stage-1 head.
    #[error("the cache has no stage-1 head")]
    MissingHead,
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A worker ended without a result.
    #[error("a worker ended unexpectedly: {0}")]
    Worker(String),
}

impl From<tch::TchError> for TrainError {
    fn from(error: tch::TchError) -> Self {
        match Refusal::from(error) {
            Refusal::Memory { .. } => Self::Memory,
            Refusal::Other(message) => Self::Torch(message),
        }
    }
}

impl Hint for TrainError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint(),
            Self::Torch(text) if text.contains("out of memory") => {
                Some("use `--device cpu`, or a smaller `--group-memory`".to_owned())
            }
            Self::Memory => Some(
                "use fewer `--workers` or a smaller `--group-memory`; `--dry-run` says what a sweep needs"
                    .to_owned(),
            ),
            Self::Thread(_) => Some("use fewer `--workers`, or ask for more processes or memory".to_owned()),
            Self::Device(_) => {
                Some("use `--device auto` or `--device cpu`; for CUDA run `make setup TORCH=cuda`".to_owned())
            }
            Self::Interrupted => Some("run the same command again: finished heads are kept".to_owned()),
            Self::MissingHead => Some("import the cache with `--head FILE`".to_owned()),
            _ => None,
        }
    }
}
