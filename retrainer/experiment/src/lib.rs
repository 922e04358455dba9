//! What an experiment is, from a method and its grid to the table: no tensor, no libtorch.
//!
//! ```text
//! METHODS × grid × seeds ─▶ SweepPlan ─▶ (engine) ─▶ RunRecord ─▶ [runs/*.jsonl] ─▶ Selected ─▶ tables, figures
//! ```
//!
//! A method is a pure function from class counts and checked hyper-parameters to a [`spec::HeadSpec`]; what it means for
//! gradients is written once, in `engine`.

#![forbid(unsafe_code)]

pub mod methods;
pub mod metrics;
mod packed;
pub mod plan;
pub mod protocol;
pub mod records;
pub mod report;
pub mod select;
pub mod spec;
pub mod statistics;
