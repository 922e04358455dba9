//! The device that work runs on, and how the CUDA backend becomes available.

use program::device::DeviceChoice;
use std::path::{Path, PathBuf};
use tch::{Cuda, Device};

/// Decides where work runs, and says why in one sentence; CUDA's half of libtorch is loaded unless the CPU was asked for.
///
/// Call it before any other call of libtorch, else CUDA stays invisible.
///
/// # Errors
/// A sentence for the user when a CUDA device was asked for and does not work.
pub fn choose(choice: DeviceChoice) -> Result<(Device, String), String> {
    if choice == DeviceChoice::Cpu {
        return Ok((Device::Cpu, "asked for".to_owned()));
    }
    let devices = load_cuda_backend().map(|()| usize::try_from(Cuda::device_count()).unwrap_or(0));
    match (choice, devices) {
        (DeviceChoice::Auto, Ok(count @ 1..)) => Ok((Device::Cuda(0), format!("{count} CUDA devices work"))),
        (DeviceChoice::Auto, Ok(0)) => Ok((Device::Cpu, "no CUDA device works here".to_owned())),
        (DeviceChoice::Auto, Err(_)) => Ok((Device::Cpu, "libtorch has no CUDA backend here".to_owned())),
        (DeviceChoice::Cuda(index), Ok(count)) if index < count => {
            Ok((Device::Cuda(index), "asked for".to_owned()))
        }
        (_, Ok(count)) => Err(format!("{choice} was asked for, but {count} CUDA devices work here")),
        (_, Err(reason)) => {
            Err(format!("{choice} was asked for, but the CUDA backend does not load: {reason}"))
        }
    }
}

/// The name of a device, as users ask for it and records say it: `cpu`, `cuda:0`.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => DeviceChoice::Cuda(index).to_string(),
        Device::Cpu | Device::Mps | Device::Vulkan => DeviceChoice::Cpu.to_string(),
    }
}

/// Waits until a device has done what it was given; a CPU has.
pub fn synchronise(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(i64::try_from(index).unwrap_or(0));
    }
}

/// Loads libtorch's CUDA backend into the process, so that one program serves machines with and without CUDA.
///
/// The programs link the CPU half of libtorch only. Call this before the first libtorch call, and only when CUDA may be used.
///
/// # Errors
/// The loader's message when the backend or a library that it needs is missing.
fn load_cuda_backend() -> Result<(), String> {
    let mut tried = Vec::new();
    for candidate in cuda_backend_candidates() {
        match load_global_library(&candidate) {
            Ok(()) => return Ok(()),
            Err(message) => tried.push(message),
        }
    }
    Err(tried.join("; "))
}

/// The loader's own search path (rpath, `LD_LIBRARY_PATH`) first, then the place of `make setup` and `LIBTORCH`.
fn cuda_backend_candidates() -> Vec<PathBuf> {
    const NAME: &str = "libtorch_cuda.so";
    let beside_program = std::env::current_exe().ok().and_then(|program| {
        program.ancestors().nth(3).map(|root| root.join(".libtorch/torch/lib").join(NAME))
    });
    let from_variable = std::env::var_os("LIBTORCH").map(|root| PathBuf::from(root).join("lib").join(NAME));
    std::iter::once(PathBuf::from(NAME))
        .chain(from_variable)
        .chain(beside_program)
        .filter(|path| path.as_os_str() == NAME || path.exists())
        .collect()
}

/// Loads a shared library for the rest of the process, with its symbols visible to later loads.
fn load_global_library(path: &Path) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: loading runs the library's initialisers. The only library asked for is libtorch's CUDA backend of the very
    // release that this program links; its initialisers register kernels and are meant to run at load time.
    let library =
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map_err(|error| error.to_string())?;
    // Registered kernels point into the library: it must never be unloaded.
    std::mem::forget(library);
    Ok(())
}
