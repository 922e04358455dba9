//! From the device that the user asks for to the one that libtorch gets.

use crate::{ExtractError, config::Precision};
use program::device::DeviceChoice;
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
    let (device, why) = torch::device::choose(choice).map_err(|reason| ExtractError::Device { reason })?;
    if device != Device::Cpu {
        // Batches of one size come by the thousand: the fastest algorithm for their shapes is worth a search.
        Cuda::cudnn_set_benchmark(true);
    }
    let reason =
        (choice == DeviceChoice::Auto).then(|| format!("device: {} ({why})", torch::device::name(device)));
    Ok(Chosen { device, reason })
}

/// A sentence for the user where `precision` is a bad choice on `device`.
pub fn caution(precision: Precision, device: Device) -> Option<&'static str> {
    (precision == Precision::Bf16 && device == Device::Cpu && !multiplies_bf16()).then_some(
        "warning: this CPU computes in bf16 many times more slowly than in f32: take `--precision f32`",
    )
}

/// Whether oneDNN has bf16 kernels for this CPU; where it has none, libtorch multiplies one number after the other.
fn multiplies_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::is_x86_feature_detected!("avx512bw");
    #[cfg(target_arch = "aarch64")]
    let has = std::arch::is_aarch64_feature_detected!("bf16");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
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
    fn only_bf16_on_a_cpu_can_be_a_bad_choice() {
        assert_eq!(caution(Precision::F32, Device::Cpu), None);
        assert_eq!(caution(Precision::Bf16, Device::Cuda(0)), None);
        assert_eq!(caution(Precision::Bf16, Device::Cpu).is_none(), multiplies_bf16());
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
