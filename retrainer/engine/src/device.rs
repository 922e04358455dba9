//! The device that heads are trained on.

use super::error::TrainError;
use experiment::plan::Precision;
use program::{device::DeviceChoice, process::start_again};
use std::{env, process::Command};

/// A device of libtorch.
pub type Device = tch::Device;

/// Decides where to train, and says why.
///
/// # Errors
/// [`TrainError::Device`] when a CUDA device was asked for and does not work.
pub fn resolve(choice: DeviceChoice) -> Result<(Device, String), TrainError> {
    torch::device::choose(choice).map_err(TrainError::Device)
}

/// What decides whether cuBLAS may round f32 inputs to TF32; libtorch reads it once, before its first call.
const TF32_VARIABLE: &str = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE";

/// Starts this program again, in the same process and with the same arguments, where the environment has cuBLAS round
/// otherwise than `precision` says: some containers set it. Does nothing on a CPU.
///
/// # Errors
/// [`TrainError::Device`] when the program cannot be started again.
pub fn restart_for(precision: Precision, device: Device) -> Result<(), TrainError> {
    let value = match env::var(TF32_VARIABLE) {
        Ok(value) if value == "1" => "1",
        _ => "0",
    };
    let wanted = if precision == Precision::Tf32 { "1" } else { "0" };
    if device == Device::Cpu || value == wanted {
        return Ok(());
    }
    let refuse = |error: std::io::Error| {
        TrainError::Device(format!("cannot start again with {TF32_VARIABLE}={wanted}: {error}"))
    };
    Err(refuse(start_again([(TF32_VARIABLE, wanted)])))
}

/// Has libtorch use one thread from now on: cores are kept busy by workers, and barriers between threads cost more than they give.
pub fn one_thread() {
    tch::set_num_threads(1);
}

/// Free bytes of a CUDA device, where `nvidia-smi` tells.
pub fn free_memory(device: Device) -> Option<u64> {
    let Device::Cuda(index) = device else { return None };
    let id = physical(index, env::var("CUDA_VISIBLE_DEVICES").ok().as_deref());
    let query = ["--query-gpu=memory.free", "--format=csv,noheader,nounits", "--id"];
    let output = Command::new("nvidia-smi").args(query).arg(id).output().ok()?;
    mebibytes(std::str::from_utf8(&output.stdout).ok()?)
}

/// How `nvidia-smi` calls the device that libtorch counts as `index`: it does not heed which devices are visible.
fn physical(index: usize, visible: Option<&str>) -> String {
    let named = visible.and_then(|visible| visible.split(',').nth(index)).map(str::trim);
    named.filter(|name| !name.is_empty()).map_or_else(|| index.to_string(), str::to_owned)
}

fn mebibytes(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok()?.checked_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_asked_by_their_own_names() {
        assert_eq!(physical(1, None), "1");
        assert_eq!(physical(1, Some("3, 5")), "5");
        assert_eq!(physical(0, Some("GPU-6f")), "GPU-6f");
        assert_eq!(physical(0, Some("")), "0");
    }

    #[test]
    fn free_memory_is_in_mebibytes_or_unknown() {
        assert_eq!(mebibytes(" 81007\n"), Some(81_007 << 20));
        for text in ["", "[N/A]", "No devices were found", "1\n2"] {
            assert_eq!(mebibytes(text), None);
        }
        assert_eq!(free_memory(Device::Cpu), None);
    }

    #[test]
    fn a_cpu_needs_no_other_environment() {
        assert!(restart_for(Precision::Tf32, Device::Cpu).is_ok());
    }
}
