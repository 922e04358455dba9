//! Integration tests of the feature cache.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests are named by sentences, and a failed assumption is a failed test"
)]

mod corrupt;
mod damage;
mod house;
mod laws;
mod resume;

#[path = "../fuzz/src/parts.rs"]
mod parts;
#[path = "../fuzz/replay.rs"]
mod replay;
#[path = "../fuzz/src/shared_targets.rs"]
mod targets;
