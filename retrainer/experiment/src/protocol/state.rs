//! A weight state that a protocol may choose.

use super::{Chooser, HeldOut, PerProtocol, PerScore, Protocol};
use serde::{Deserialize, Serialize};

/// The weights of one head after some epochs: what validation says of them, and what the test split does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State<M> {
    /// Finished epochs; 0 for a head that needs no training.
    pub epoch: u32,
    /// Scores on the validation split, by which it may be chosen; none without such a split.
    #[serde(flatten)]
    pub val: PerScore<f64>,
    /// What was measured on the test split.
    #[serde(flatten)]
    pub test: M,
}

impl<M> State<M> {
    /// The same state with something else of the test split.
    pub fn map<N>(&self, change: impl Fn(&M) -> N) -> State<N> {
        State { epoch: self.epoch, val: self.val.clone(), test: change(&self.test) }
    }
}

impl<M> PerProtocol<State<M>> {
    /// Takes the states, and of equal ones the validation scores, that are missing here from another record of the same run,
    /// whose sweep recorded other protocols; whether there were any states.
    pub(crate) fn merge(&mut self, mut other: Self) -> bool {
        for (protocol, own) in self.iter_mut() {
            if let Some(other) = other.get_mut(protocol).filter(|other| other.epoch == own.epoch) {
                own.val.complete(std::mem::take(&mut other.val));
            }
        }
        self.complete(other)
    }

    /// The state that a protocol reports: heads without epochs have only the last one, and what validation chose has the score
    /// that it was chosen by.
    pub fn chosen(&self, protocol: Protocol) -> Option<&State<M>> {
        let only = || self.get(Protocol::Last).filter(|state| state.epoch == 0);
        let state = self.get(protocol).or_else(only)?;
        match protocol.chooser() {
            Some(Chooser { split: HeldOut::Val, score }) => state.val.get(score).map(|_| state),
            Some(Chooser { split: HeldOut::Test, .. }) | None => Some(state),
        }
    }
}
