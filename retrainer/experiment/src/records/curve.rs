//! Scores after each epoch.

use crate::protocol::{Chooser, PerChooser, Unseen};
use serde::{Deserialize, Serialize};

/// Scores after each epoch, six digits after the point, by what protocols looked at each epoch.
///
/// As of other test numbers, only [`crate::select`] reads them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Curve(PerChooser<Unseen<Vec<f64>>>);

impl Curve {
    /// The curves of one head; `None` where nothing was looked at.
    pub fn new(scores: &PerChooser<Vec<f64>>) -> Option<Self> {
        let rounded = |score: &f64| (score * 1e6).round() / 1e6;
        let curves = scores.map(|scores| Unseen::new(scores.iter().map(rounded).collect()));
        (!curves.is_empty()).then_some(Self(curves))
    }

    /// Whether accuracies are some.
    pub(super) fn check(&self) -> Result<(), String> {
        self.0.iter().try_for_each(|(chooser, curve)| curve.check(chooser.score.metric()))
    }

    /// The scores that a protocol with this chooser looked at; `None` where none did.
    pub(crate) fn of(&self, chooser: Chooser) -> Option<&Unseen<Vec<f64>>> {
        self.0.get(chooser)
    }
}
