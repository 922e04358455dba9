//! Results on disk: one JSON line per trained head, one file per process.
//!
//! ```text
//! engine ─▶ RunRecord ─▶ RunWriter ─▶ RUNS/records-….jsonl ─▶ RunStore ─▶ Run (compact) ─▶ select, report
//! ```
//!
//! A process writes only to the file that it created, a line at a time; readers merge all files of RUNS by `run_id`. So
//! a sweep resumes by itself, and any number of processes may share the folder. A kill can tear only the last line of
//! a file, which readers skip.

mod asked;
mod caches;
mod curve;
mod error;
mod lines;
mod params;
mod record;
mod revision;
mod sealed;
mod standing;
mod store;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

pub use asked::{Asked, AskedHead, known_numbering, numbering};
pub use caches::{CacheSummary, keep_manifest};
pub use curve::Curve;
pub use error::{RecordError, Warning};
pub(crate) use params::FOLLOWING;
pub(crate) use params::ParamText;
pub use params::{NORMALISE, PRECISION, Params, STAGE1_DIGITS, STAGE1_HEAD, TEST_TIME_AUGMENTATION, run_id};
pub use record::{Added, FORMAT_VERSION, RunMetrics, RunRecord, StateMetrics, Status, Versions};
pub use revision::{REVISION, recorded as recorded_revision, revised, revision};
pub use sealed::{SealedError, SealedPerClass};
pub use standing::{Count, Process, Standing};
pub use store::{Run, RunStore};
pub use writer::RunWriter;
