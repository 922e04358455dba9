//! Images to feature cache: trains or loads a backbone and stores its frozen features.
//!
//! ```text
//! datasets, images ─▶ transform ─▶ batches ─▶ backbones ─▶ dump ─▶ [feature cache]
//!                                     │            ▲
//!                                     └─▶ stage1 ──▶ [checkpoint] (weights)
//! ```
//!
//! Arrows only point right: [`datasets`] knows files and labels, [`dump`] knows the cache, and neither knows a loss.
//! The command line ([`cli`]) is typed text; [`settings`] turns it into values in which everything is decided, and [`commands`] run
//! them.
//!
#![doc = include_str!("../GUIDE.md")]

pub mod archive;
pub mod backbones;
pub mod batches;
pub mod bench;
pub mod cli;
pub mod commands;
pub mod config;
pub mod datasets;
pub mod device;
pub mod dump;
pub mod error;
pub mod frozen;
pub mod images;
pub mod import;
mod place;
pub mod predict;
pub mod settings;
pub mod stage1;
pub mod threads;
pub mod transform;
pub mod weights;
mod zip;

pub use error::ExtractError;
