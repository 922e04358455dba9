//! Named tensors: the parameters of a network, their files, and the digest that identifies them.
//!
//! Names are those of torchvision's state dicts (`layer1.0.conv1.weight`), so that a PyTorch state dict saved as
//! safetensors loads name for name; [`StateDict`] reads the names of other programs.

mod file;
mod init;
mod names;
mod parameters;
mod prefixes;
mod state_dict;
mod translate;

pub use file::{TensorFile, encode};
pub use init::{Init, Initialisation};
pub use names::{Rename, WeightNames, block, rows, same, transposed};
pub use parameters::{Layout, ParameterBuilder, Parameters, Role, digest};
pub use state_dict::StateDict;
