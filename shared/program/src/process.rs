//! This process: how much memory it took, and how it starts itself again in another environment.

use std::{env, fs, io, process::Command};

/// The most memory that this process has occupied so far, in bytes, mapped files included; `None` where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Starts this program again with more variables in its environment, in the same process and with the same arguments; comes back
/// only when that failed, with the reason.
///
/// libtorch and libgomp read some variables once, before `main` or before their first call: only a new start can set them.
pub fn start_again(variables: impl IntoIterator<Item = (&'static str, &'static str)>) -> io::Error {
    match env::current_exe() {
        Ok(program) => replace(Command::new(program).args(env::args_os().skip(1)).envs(variables)),
        Err(error) => error,
    }
}

#[cfg(unix)]
fn replace(command: &mut Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

#[cfg(not(unix))]
fn replace(_: &mut Command) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_on_linux() {
        assert!(!cfg!(target_os = "linux") || peak_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
