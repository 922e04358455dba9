//! Formats of files that other programs write.

pub(super) mod npy;
pub(super) mod safetensors_file;
