//! Which number may be reported: the only way from a run to its test metrics.
//!
//! ```text
//! runs of one cache ─▶ points (method × hyper-parameters, all seeds) ─▶ Protocol ─▶ Selected ─▶ tables
//! ```
//!
//! A table that shows the best of many test numbers shows luck. So a test number leaves a record only through
//! [`Selected`], which knows the protocol that chose it and carries its name into every table.

mod candidates;
mod details;
mod selected;
mod widen;

use crate::{protocol::Chooser, records::RunRecord};

pub use crate::protocol::Protocol;
pub use candidates::{Edge, End};
pub(crate) use details::last_detail;
pub use details::{Detail, DetailError, selected_detail};
pub use selected::{SeedResult, SelectError, Selected, select};
pub use widen::{Planned, best, beyond, finalists, ingredients};

/// Scores of a run after each epoch, for a figure of training curves: all epochs are shown, so none is chosen. Empty where no
/// protocol asked for them.
pub fn curve<P>(record: &RunRecord<P>, chooser: Chooser) -> &[f64] {
    record.curve.as_ref().and_then(|curve| curve.of(chooser)).map_or(&[], |curve| curve.as_ref().unseal())
}
