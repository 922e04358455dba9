//! What commands that compute do first.

use super::{install_interrupt, output::say};
use crate::{ExtractError, device, settings::Machine, threads};
use program::interrupt::Interrupt;
use tch::Device;

/// Restarts with the settings of libtorch's threads, where they lack, and catches requests to stop from then on.
///
/// In this order: a new program knows nothing of what the old one caught. It comes before everything that takes time.
pub(super) fn begin(machine: &Machine) -> Result<Interrupt, ExtractError> {
    threads::restart_with_settings(machine.threads);
    install_interrupt()
}

/// Settles threads and device, and says what `auto` chose.
pub(super) fn prepare(machine: &Machine) -> Result<Device, ExtractError> {
    let chosen = device::choose(machine.device)?;
    threads::set_threads(machine.threads);
    if let Some(reason) = &chosen.reason {
        say(reason);
    }
    if let Some(caution) = device::caution(machine.precision, chosen.device) {
        say(caution);
    }
    Ok(chosen.device)
}
