//! What a data set's folder holds beside its samples: nothing is left out in silence.

use cache::LeftOut;

/// Files that were found and not taken, by kind, in the order in which the kinds were met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOuts(Vec<LeftOut>);

impl LeftOuts {
    /// One more of a kind.
    pub(super) fn add(&mut self, what: &str, name: &str) {
        let place = self.0.iter().position(|kind| kind.what == what).unwrap_or(self.0.len());
        if place == self.0.len() {
            self.0.push(LeftOut { what: what.to_owned(), count: 0, first: Vec::new() });
        }
        if let Some(kind) = self.0.get_mut(place) {
            kind.count += 1;
            if kind.first.len() < LeftOut::NAMES {
                kind.first.push(name.to_owned());
            }
        }
    }

    pub(super) fn into_list(self) -> Vec<LeftOut> {
        self.0
    }
}
