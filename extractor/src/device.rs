//! From the device and threads that the user asks for to those that libtorch gets.

use crate::ExtractError;
use shared::device::{DeviceChoice, load_cuda_backend};
use std::{collections::BTreeSet, fs, thread};
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
    match choice {
        DeviceChoice::Cpu => Ok(Chosen { device: Device::Cpu, reason: None }),
        DeviceChoice::Cuda(index) => match cuda_devices() {
            Ok(count) if index < count => Ok(Chosen { device: Device::Cuda(index), reason: None }),
            Ok(count) => Err(unavailable(choice, format!("there are {count} CUDA devices"))),
            Err(reason) => Err(unavailable(choice, reason)),
        },
        DeviceChoice::Auto => Ok(match cuda_devices() {
            Ok(count) => Chosen {
                device: Device::Cuda(0),
                reason: Some(format!("device: cuda:0 (the first of {count})")),
            },
            Err(reason) => {
                Chosen { device: Device::Cpu, reason: Some(format!("device: cpu (no CUDA: {reason})")) }
            }
        }),
    }
}

/// Number of CUDA devices that work, at least one; else why there is none, in a few words.
fn cuda_devices() -> Result<usize, String> {
    load_cuda_backend().map_err(|message| {
        let first = message.split(';').next().unwrap_or_default();
        first.trim().to_owned()
    })?;
    if !Cuda::is_available() {
        return Err("no NVIDIA driver or device".to_owned());
    }
    usize::try_from(Cuda::device_count())
        .ok()
        .filter(|&count| count > 0)
        .ok_or_else(|| "no device".to_owned())
}

fn unavailable(choice: DeviceChoice, reason: String) -> ExtractError {
    ExtractError::Device { device: choice.to_string(), reason }
}

/// Fixes the number of CPU threads of libtorch and returns it; by default one for each physical core.
pub fn set_threads(threads: Option<u32>) -> u32 {
    let threads = threads.unwrap_or_else(physical_cores).max(1);
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    threads
}

/// Physical cores that this process may use: two threads on one core only slow each other down in matrix products.
fn physical_cores() -> u32 {
    let allowed = thread::available_parallelism().map_or(1, usize::from);
    let mut cores = BTreeSet::new();
    for cpu in 0..1024 {
        let siblings = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let Ok(siblings) = fs::read_to_string(siblings) else { break };
        cores.insert(siblings);
    }
    let cores = if cores.is_empty() { allowed } else { cores.len().min(allowed) };
    u32::try_from(cores).unwrap_or(1)
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
    fn a_cuda_device_that_does_not_exist_is_an_error() {
        assert!(matches!(choose(DeviceChoice::Cuda(4096)), Err(ExtractError::Device { .. })));
    }

    #[test]
    fn there_is_at_least_one_core_and_no_more_than_allowed() {
        let allowed = thread::available_parallelism().map_or(1, usize::from);
        assert!((1..=allowed).contains(&usize::try_from(physical_cores()).unwrap()));
    }
}
