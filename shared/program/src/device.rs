//! The device that a user asks for, and how the CUDA backend becomes available. No libtorch types here.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// `auto`, `cpu`, `cuda` or `cuda:i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// CUDA where it works, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The i-th CUDA device; an error where it does not work.
    Cuda(usize),
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| format!("`{text}` is no device (auto, cpu, cuda, cuda:0, cuda:1 …)")),
        }
    }
}

/// The device that work runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenDevice {
    /// The CPU.
    Cpu,
    /// The i-th CUDA device.
    Cuda(usize),
}

impl fmt::Display for ChosenDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// Decides where work runs, and says why in one sentence.
    ///
    /// `cuda_devices` asks libtorch for the number of usable CUDA devices; it is called only after the backend was loaded.
    ///
    /// # Errors
    /// A sentence for the user when a CUDA device was asked for and does not work.
    pub fn resolve(self, cuda_devices: impl FnOnce() -> usize) -> Result<(ChosenDevice, String), String> {
        if self == Self::Cpu {
            return Ok((ChosenDevice::Cpu, "asked for".to_owned()));
        }
        let devices = load_cuda_backend().map(|()| cuda_devices());
        match (self, devices) {
            (Self::Auto, Ok(count @ 1..)) => {
                Ok((ChosenDevice::Cuda(0), format!("{count} CUDA devices work")))
            }
            (Self::Auto, Ok(0)) => Ok((ChosenDevice::Cpu, "no CUDA device works here".to_owned())),
            (Self::Auto, Err(_)) => Ok((ChosenDevice::Cpu, "libtorch has no CUDA backend here".to_owned())),
            (Self::Cuda(index), Ok(count)) if index < count => {
                Ok((ChosenDevice::Cuda(index), "asked for".to_owned()))
            }
            (_, Ok(count)) => Err(format!("{self} was asked for, but {count} CUDA devices work here")),
            (_, Err(reason)) => {
                Err(format!("{self} was asked for, but the CUDA backend does not load: {reason}"))
            }
        }
    }
}

/// Loads libtorch's CUDA backend into the process, so that one program serves machines with and without CUDA.
///
/// The programs link the CPU half of libtorch only. Call this before the first libtorch call, and only when CUDA may be used.
///
/// # Errors
/// The loader's message when the backend or a library that it needs is missing.
pub fn load_cuda_backend() -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_read_back() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Cuda(3)] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert!("gpu".parse::<DeviceChoice>().is_err());
    }
}
