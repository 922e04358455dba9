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
mod protocol;
mod selected;

use crate::records::RunRecord;

pub use candidates::{Edge, End};
pub use details::{Detail, DetailError, last_detail, selected_detail};
pub use protocol::{Protocol, Protocols};
pub use selected::{SeedResult, SelectError, Selected, select};

/// Proof that a protocol has made its choice; only this module can make one.
#[derive(Clone, Copy, Debug)]
pub struct Permit(());

#[cfg(test)]
impl Permit {
    /// For tests of what is under the seal.
    pub(crate) fn for_tests() -> Self {
        Self(())
    }
}

/// Test accuracy of a run after each epoch, for a figure of training curves: all epochs are shown, so none is chosen. Empty
/// where no protocol asked for it.
pub fn test_curve<P>(record: &RunRecord<P>) -> &[f64] {
    record.curve.as_ref().map_or(&[], |curve| curve.test(Permit(())))
}
