//! The device that heads are trained on.

use super::error::TrainError;
use shared::device::{ChosenDevice, DeviceChoice};

/// A device of libtorch.
pub type Device = tch::Device;

/// Decides where to train, and says why.
///
/// # Errors
/// [`TrainError::Device`] when a CUDA device was asked for and does not work.
pub fn resolve(choice: DeviceChoice) -> Result<(Device, String), TrainError> {
    let cuda_devices = || usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
    let (chosen, why) = choice.resolve(cuda_devices).map_err(TrainError::Device)?;
    let device = match chosen {
        ChosenDevice::Cpu => Device::Cpu,
        ChosenDevice::Cuda(index) => Device::Cuda(index),
    };
    Ok((device, why))
}
