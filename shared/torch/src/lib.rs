//! Between our programs and libtorch: memory in and out, the device, and what it says when it refuses.

#[expect(unsafe_code, reason = "libtorch's memory is written once, not zeroed and copied before")]
pub mod bytes;
#[expect(unsafe_code, reason = "libtorch's CUDA backend is loaded at run time")]
pub mod device;
pub mod numbers;
mod refusal;

pub use refusal::Refusal;

/// The libtorch release that the pinned `tch` links, and that `make setup` installs.
pub const VERSION: &str = "2.11.0";
