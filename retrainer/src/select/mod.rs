//! Which number may be reported: the only way from a run to its test metrics.
//!
//! ```text
//! runs of one cache ─▶ points (method × hyper-parameters, all seeds) ─▶ Protocol ─▶ Selected ─▶ tables
//! ```
//!
//! A table that shows the best of many test numbers shows luck. So a test number leaves a record only through
//! [`Selected`], which knows the protocol that chose it and carries its name into every table.

mod candidates;
mod protocol;
mod selected;

pub use candidates::{Edge, End};
pub use protocol::Protocol;
pub use selected::{SeedResult, SelectError, Selected, select};

/// Proof that a protocol has made its choice; only this module can make one.
#[derive(Clone, Copy, Debug)]
pub struct Permit(());
