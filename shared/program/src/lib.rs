//! What a program of ours is: how it parses, prints, shows progress, is stopped, and chooses its device.

pub mod console;
#[expect(unsafe_code, reason = "libtorch's CUDA backend is loaded at run time")]
pub mod device;
pub mod interrupt;
pub mod manual;
pub mod progress;
