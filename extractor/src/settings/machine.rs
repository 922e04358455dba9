//! Where and how fast.

use crate::{backbones::Compute, cli::MachineArgs, config::Precision, weights::Layout};
use program::device::DeviceChoice;
use tch::Device;

/// Where and how fast a network computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The device asked for; which one it is, is known when libtorch is loaded.
    pub device: DeviceChoice,
    /// CPU threads; `None` is one for each physical core.
    pub threads: Option<u32>,
    /// Number format of activations.
    pub precision: Precision,
    /// Memory order of activations.
    pub layout: Layout,
}

impl From<&MachineArgs> for Machine {
    fn from(args: &MachineArgs) -> Self {
        let MachineArgs { device, threads, precision, channels_last } = *args;
        Self { device, threads, precision, layout: channels_last.layout() }
    }
}

impl Machine {
    /// How a backbone computes on the device that was found.
    pub fn compute(&self, device: Device) -> Compute {
        Compute { device, precision: self.precision, layout: self.layout }
    }
}
