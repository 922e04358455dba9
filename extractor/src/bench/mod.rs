//! How fast this machine decodes, computes features, trains and dumps, and what PyTorch makes of the same work.
//!
//! `images` generates what is worked on, `work` is the program's own code on it, `peer` is PyTorch in a process of its own,
//! and `clock` takes the time. Rounds of both take turns, so that a neighbour on the machine slows both.

mod clock;
mod images;
mod peer;
mod work;

pub use peer::{PEER_SCRIPT, Peer};
pub use work::{Bench, BenchSettings, TASKS, Task, transform};

use crate::ExtractError;
use std::time::Duration;

/// Images per second of a task, and of what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Of this program.
    pub ours: f64,
    /// Of the peer, where it can do the task; of this program's forward pass, for a dump.
    pub other: Option<f64>,
}

/// Measures a task: the fastest of several rounds, in which both take turns.
///
/// # Errors
/// Those of the task; [`ExtractError::InvalidSetting`] for a peer that gives no numbers.
pub fn measure(
    bench: &mut Bench,
    task: Task,
    mut peer: Option<&mut Peer>,
    rounds: u32,
    round: Duration,
) -> Result<Rate, ExtractError> {
    let mut rate = Rate { ours: 0.0, other: None };
    for _ in 0..rounds {
        let other = match (task, &mut peer) {
            (Task::Dump(precision), _) => Some(bench.rate(Task::Forward(precision), round)?),
            (_, Some(peer)) => peer.rate(task, round)?,
            (_, None) => None,
        };
        rate.ours = rate.ours.max(bench.rate(task, round)?);
        rate.other = other.map(|other| other.max(rate.other.unwrap_or(0.0)));
    }
    Ok(rate)
}
