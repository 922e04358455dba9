//! Requests to stop (Ctrl-C, SIGTERM, SIGHUP) as a value that long work asks for, and signals that become errors.

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    flag,
};
use std::{
    io,
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Exit status after Ctrl-C: stopped early.
const STOPPED: u8 = 1;

/// Exit status after SIGTERM and SIGHUP, `EX_TEMPFAIL`: a scheduler may give the same command again.
const TRY_AGAIN: u8 = 75;

/// The one that signals set.
static INSTALLED: OnceLock<Interrupt> = OnceLock::new();

/// Set by Ctrl-C or a termination request; long work finishes its step and stops when it is.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    /// The number of the signal that asked last.
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Catches Ctrl-C, SIGTERM and SIGHUP from now on; a second one ends the process at once, with the status that shells report
    /// for the signal. A SIGHUP that is ignored (`nohup`) stays so.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn install() -> Result<Self, io::Error> {
        if let Some(installed) = INSTALLED.get() {
            return Ok(installed.clone());
        }
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if signal == SIGHUP && is_ignored(SIGHUP) {
                continue;
            }
            // In this order: the first signal finds the flag unset. Files are whole by construction, so leaving at the second
            // is safe.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&interrupt.requested))?;
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&interrupt.signal), number)?;
            flag::register(signal, Arc::clone(&interrupt.requested))?;
        }
        Ok(INSTALLED.get_or_init(|| interrupt).clone())
    }

    /// One that never fires.
    pub fn never() -> Self {
        Self::default()
    }

    /// Asks to stop, as Ctrl-C does.
    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }

    /// Whether the user asked to stop.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// The exit status of a program that stopped for this reason.
    fn status(&self) -> u8 {
        let signal = self.signal.load(Ordering::SeqCst);
        if [SIGTERM, SIGHUP].iter().any(|&again| usize::try_from(again) == Ok(signal)) {
            TRY_AGAIN
        } else {
            STOPPED
        }
    }
}

/// The exit status of a program that stopped because it was asked to: 1 after Ctrl-C, 75 after SIGTERM and SIGHUP.
pub fn exit_status() -> ExitCode {
    ExitCode::from(INSTALLED.get().map_or(STOPPED, Interrupt::status))
}

/// Makes a file that grows beyond `ulimit -f` an error of the write instead of the end of the process.
pub fn refuse_large_files_by_error() {
    // A handler that does nothing of use: the write fails with EFBIG then. Without it the default stays.
    let _ = flag::register(SIGXFSZ, Arc::default());
}

/// Whether the process was started with a signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1).ok().and_then(|bit| mask.checked_shr(bit)).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asked_to_stop_decides_the_exit_status() {
        let interrupt = Interrupt::never();
        interrupt.request();
        assert!(interrupt.requested());
        assert_eq!(interrupt.status(), 1);
        for (signal, status) in [(SIGINT, 1), (SIGTERM, 75), (SIGHUP, 75)] {
            interrupt.signal.store(usize::try_from(signal).unwrap(), Ordering::SeqCst);
            assert_eq!(interrupt.status(), status);
        }
    }
}
