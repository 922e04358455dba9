//! Settings as resolved: what was typed, presets and defaults become one value a command, in which everything is decided.
//!
//! ```text
//! cli (as typed) ─▶ resolve ─▶ settings ─▶ commands: run, print
//! ```
//!
//! Settings that would change nothing are refused by one table, `says`. What only the device, the network or a manifest can
//! decide is asked of them when they are there: [`Dump::features`], [`Repair::source`].

mod bench;
mod data;
mod dump;
mod import;
mod machine;
mod network;
mod predict;
mod presets;
mod recipe;
mod says;
mod synthesise;
mod train;
mod verify;

pub use bench::BenchRun;
pub use data::Data;
pub use dump::Dump;
pub use import::ImportRun;
pub use machine::Machine;
pub use predict::Predict;
pub use presets::{PRESETS, Preset};
pub use synthesise::resolve as synthesise;
pub use train::Train;
pub use verify::{Repair, Verify};
