//! Feature cache to results: sweeps classifier re-training methods over cached features.
//!
//! ```text
//! FeatureCache ─▶ FeatureView
//!                     │
//! METHODS × grid × seeds ─▶ SweepPlan ─▶ HeadGroup ─▶ one wide GEMM for many heads
//!                                            │
//!                      Evaluation ─▶ RunRecord ─▶ [runs/*.jsonl] ─▶ Selected ─▶ tables
//! ```
//!
//! Arrows only point right. Only [`train`] touches tensors: [`methods`], [`plan`], [`metrics`], [`records`], [`select`] and
//! [`report`] are plain Rust. A method is a pure function from class counts and checked hyper-parameters to a
//! [`head::HeadSpec`]; what it means for gradients is written once, in `train/loss/`.

#![forbid(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod error;
pub mod head;
pub mod head_file;
pub mod methods;
pub mod metrics;
mod packed;
pub mod plan;
pub mod records;
pub mod report;
pub mod select;
pub mod statistics;
pub mod train;
