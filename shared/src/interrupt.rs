//! Ctrl-C as a value that long work asks for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Set by Ctrl-C (or a termination request); long work finishes its step and stops when it is.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches Ctrl-C from now on; a second one ends the process at once.
    ///
    /// # Errors
    /// When a handler is already installed.
    pub fn install() -> Result<Self, ctrlc::Error> {
        let interrupt = Self::default();
        let flag = interrupt.clone();
        ctrlc::set_handler(move || {
            if flag.0.swap(true, Ordering::SeqCst) {
                // Asked twice: leave now, files are whole by construction. 130 is what shells report for Ctrl-C.
                std::process::exit(130);
            }
        })?;
        Ok(interrupt)
    }

    /// One that never fires.
    pub fn never() -> Self {
        Self::default()
    }

    /// Asks to stop, as Ctrl-C does.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the user asked to stop.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
