//! Files that are whole or absent, and what a file is before anybody reads it.
//!
//! Everything of the two programs that meets the operating system's files goes through here, so that no input makes them wait,
//! and no output is ever half written. Nothing here knows features, heads or a command line.

pub mod atomic;
pub mod content;
pub mod error;
mod lock;
#[expect(unsafe_code, reason = "the one place where files become memory; every block says why it is sound")]
pub mod mmap;
pub mod output;
pub mod regular;
pub mod text;

pub use error::{FileError, Hint};
pub use lock::FolderLock;
