//! From the device that the user asks for to the one that libtorch gets.

use crate::ExtractError;
use shared::device::{ChosenDevice, DeviceChoice};
use tch::{Cuda, Device};

/// A device and, for `auto`, why it was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The device.
    pub device: Device,
    /// One line for the user; `None` when the device was asked for by name.
    pub reason: Option<String>,
}

/// Finds the device; CUDA's half of libtorch is loaded unless the CPU was asked for.
///
/// Call it before any other libtorch call, else CUDA stays invisible.
///
/// # Errors
/// [`ExtractError::Device`] when a CUDA device is asked for and does not work.
pub fn choose(choice: DeviceChoice) -> Result<Chosen, ExtractError> {
    let cuda_devices = || usize::try_from(Cuda::device_count()).unwrap_or(0);
    let (chosen, why) = choice.resolve(cuda_devices).map_err(|reason| ExtractError::Device { reason })?;
    let device = match chosen {
        ChosenDevice::Cpu => Device::Cpu,
        ChosenDevice::Cuda(index) => Device::Cuda(index),
    };
    let reason = (choice == DeviceChoice::Auto).then(|| format!("device: {chosen} ({why})"));
    Ok(Chosen { device, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_needs_no_explanation_and_auto_gives_one() {
        assert_eq!(choose(DeviceChoice::Cpu).unwrap(), Chosen { device: Device::Cpu, reason: None });
        assert!(choose(DeviceChoice::Auto).unwrap().reason.unwrap().starts_with("device: "));
    }

    #[test]
    fn a_cuda_device_that_does_not_exist_is_an_error_that_names_it() {
        let error = choose(DeviceChoice::Cuda(4096)).unwrap_err();
        assert!(
            matches!(error, ExtractError::Device { .. }) && error.to_string().contains("cuda:4096"),
            "{error}"
        );
    }
}
