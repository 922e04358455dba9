//! The readers of `extractor` on the seeds of their fuzz targets, and on what once made them fail.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "these files are the fuzz targets' own, and a failed assumption is a failed test"
)]

#[path = "../fuzz/src/parts.rs"]
mod parts;
#[path = "../fuzz/replay.rs"]
mod replay;
#[path = "../fuzz/src/extractor_targets.rs"]
mod targets;

#[test]
fn seeds_and_former_failures_of_the_fuzz_targets_pass() {
    replay::replay(targets::TARGETS);
}
