//! Integration tests of `retrainer`: the program as a user runs it.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests are named by sentences, and a failed assumption is a failed test"
)]

mod bench;
mod best;
mod browser;
mod cluster;
mod cuda;
mod distance;
mod engine;
mod errors;
mod figures;
mod heads;
mod help;
mod kills;
mod laws;
mod outputs;
mod program;
mod readme;
mod report;
mod reproduction;
mod sweep;

#[path = "../fuzz/src/parts.rs"]
mod parts;
#[path = "../fuzz/replay.rs"]
mod replay;
#[path = "../fuzz/src/retrainer_targets.rs"]
mod targets;
