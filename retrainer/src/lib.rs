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
//! Arrows only point right: this program is the only place that knows both `experiment` (what is asked and what came out, without
//! tensors) and `engine` (how it is trained).
//!
#![doc = include_str!("../GUIDE.md")]
#![forbid(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod error;
