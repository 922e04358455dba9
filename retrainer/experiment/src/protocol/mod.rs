//! The protocols: how epoch and hyper-parameters are chosen.
//!
//! A new one is a variant of [`Protocol`], its facts (name, key, [`Chooser`]) and a place in the list; the engine tracks it,
//! records keep its state and its scores, and tables name it.

mod per;
mod state;
mod unseen;

use crate::metrics::{MACRO_F1, Metric, NLL, TOP1};
use clap::ValueEnum;
use std::fmt;

pub use per::{Key, Per};
pub use state::State;
pub use unseen::Unseen;
pub(crate) use unseen::check_fraction;

/// How the reported epoch and hyper-parameters were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Last epoch of every grid point: nothing is chosen
    Last,
    /// Epoch and hyper-parameters by validation accuracy; the test split is seen once
    Val,
    /// Epoch and hyper-parameters by validation NLL; the test split is seen once
    ValNll,
    /// Epoch and hyper-parameters by validation macro-F1; the test split is seen once
    ValMacroF1,
    /// Epoch and hyper-parameters by validation accuracy of few-shot classes; the test split is seen once
    ValFew,
    /// Epoch and hyper-parameters by test accuracy, as in most published code: optimistic
    BestOnTest,
}

/// A held-out split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldOut {
    /// Validation.
    Val,
    /// Test.
    Test,
}

/// What epochs and hyper-parameters may be chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// Mean of the per-class accuracies, a fraction.
    Top1,
    /// Mean of −log p_y over samples, nats.
    Nll,
    /// Mean over classes of 2 TP / (2 TP + FP + FN), a fraction.
    MacroF1,
    /// Mean of the accuracies of classes with fewer than 20 training samples, a fraction.
    Few,
}

/// What a protocol chooses by: the best score on a split, the earliest epoch of equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chooser {
    /// The split that is looked at.
    pub split: HeldOut,
    /// What is measured there.
    pub score: Score,
}

/// One value for each protocol that has one, under the name of its state in records.
pub type PerProtocol<T> = Per<Protocol, T>;

/// One value for each score on the validation split that has one.
pub type PerScore<T> = Per<Score, T>;

/// One value for each chooser that has one.
pub type PerChooser<T> = Per<Chooser, T>;

/// What there is to know of a protocol.
struct ProtocolFacts {
    name: &'static str,
    /// Name of its state in records.
    key: &'static str,
    about: &'static str,
    chooser: Option<Chooser>,
}

impl Protocol {
    fn facts(self) -> ProtocolFacts {
        match self {
            Self::Last => ProtocolFacts {
                name: "last",
                key: "last",
                about: "last epoch of every grid point; nothing is chosen",
                chooser: None,
            },
            Self::Val => ProtocolFacts {
                name: "val",
                key: "val_selected",
                about: "epoch and hyper-parameters chosen by validation accuracy; test seen once",
                chooser: Some(Chooser { split: HeldOut::Val, score: Score::Top1 }),
            },
            Self::ValNll => ProtocolFacts {
                name: "val-nll",
                key: "val_nll_selected",
                about: "epoch and hyper-parameters chosen by validation NLL (lowest); test seen once",
                chooser: Some(Chooser { split: HeldOut::Val, score: Score::Nll }),
            },
            Self::ValMacroF1 => ProtocolFacts {
                name: "val-macro-f1",
                key: "val_macro_f1_selected",
                about: "epoch and hyper-parameters chosen by validation macro-F1; test seen once",
                chooser: Some(Chooser { split: HeldOut::Val, score: Score::MacroF1 }),
            },
            Self::ValFew => ProtocolFacts {
                name: "val-few",
                key: "val_few_selected",
                about: "epoch and hyper-parameters chosen by validation accuracy of few-shot classes alone, at the cost of others; \
                        test seen once",
                chooser: Some(Chooser { split: HeldOut::Val, score: Score::Few }),
            },
            Self::BestOnTest => ProtocolFacts {
                name: "best-on-test",
                key: "best_on_test",
                about: "epoch and hyper-parameters chosen by TEST accuracy (the usual published protocol, optimistic)",
                chooser: Some(Chooser { split: HeldOut::Test, score: Score::Top1 }),
            },
        }
    }

    /// The protocols that choose by validation, with their scores.
    pub fn by_validation() -> impl Iterator<Item = (Self, Score)> {
        let on_val = |chooser: &Chooser| chooser.split == HeldOut::Val;
        Self::all().filter_map(move |protocol| Some((protocol, protocol.chooser().filter(on_val)?.score)))
    }

    /// What it chooses by; `None` where it chooses nothing.
    pub fn chooser(self) -> Option<Chooser> {
        self.facts().chooser
    }

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// One sentence for the foot of a table.
    pub fn about(self) -> &'static str {
        self.facts().about
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Key for Protocol {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Last, Self::BestOnTest, Self::Val, Self::ValNll, Self::ValMacroF1, Self::ValFew].into_iter()
    }

    fn key(self) -> &'static str {
        self.facts().key
    }
}

/// What there is to know of a score.
struct ScoreFacts {
    /// On the command line.
    name: &'static str,
    metric: Metric,
    /// Name in records where it is measured on the validation split.
    on_val: &'static str,
    /// 1 where larger is better, −1 where smaller is.
    sign: f64,
}

impl Score {
    fn facts(self) -> ScoreFacts {
        match self {
            Self::Top1 => ScoreFacts { name: "top1", metric: TOP1.all, on_val: "val.top1.all", sign: 1.0 },
            Self::Nll => ScoreFacts { name: "nll", metric: NLL, on_val: "val.nll", sign: -1.0 },
            Self::MacroF1 => {
                ScoreFacts { name: "macro-f1", metric: MACRO_F1, on_val: "val.macro_f1", sign: 1.0 }
            }
            Self::Few => ScoreFacts { name: "few", metric: TOP1.few, on_val: "val.top1.few", sign: 1.0 },
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The entry of [`crate::metrics::METRICS`] that it is.
    pub fn metric(self) -> Metric {
        self.facts().metric
    }

    /// By how much `new` is better than `old`; negative where it is worse.
    pub fn gain(self, new: f64, old: f64) -> f64 {
        self.facts().sign * (new - old)
    }
}

/// Scores that stand beside others are those on the validation split.
impl Key for Score {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Top1, Self::Nll, Self::MacroF1, Self::Few].into_iter()
    }

    fn key(self) -> &'static str {
        self.facts().on_val
    }
}

impl Key for Chooser {
    fn all() -> impl Iterator<Item = Self> {
        let on = |split| Score::all().map(move |score| Self { split, score });
        on(HeldOut::Val).chain(on(HeldOut::Test))
    }

    fn key(self) -> &'static str {
        match self.split {
            HeldOut::Val => self.score.key(),
            HeldOut::Test => self.score.metric().name,
        }
    }
}

/// The protocols that a sweep records states for; `last` costs nothing and is always one of them.
///
/// A split is looked at after each epoch only where one of them chooses by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocols(PerProtocol<()>);

impl Protocols {
    /// Those of a list.
    pub fn of(protocols: &[Protocol]) -> Self {
        Self(protocols.iter().chain(&[Protocol::Last]).map(|&protocol| (protocol, ())).collect())
    }

    /// Those by accuracy that a cache allows, with or without a validation split.
    pub fn allowed(validated: bool) -> Self {
        let allowed = |protocol: &Protocol| match protocol.chooser() {
            Some(Chooser { split: HeldOut::Val, score }) => validated && score == Score::Top1,
            Some(Chooser { split: HeldOut::Test, .. }) | None => true,
        };
        Self::of(&Protocol::all().filter(allowed).collect::<Vec<_>>())
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, protocol: Protocol) -> Self {
        self.0.insert(protocol, ());
        self
    }

    /// The protocols that choose an epoch, with what they choose by.
    pub fn choosing(&self) -> impl Iterator<Item = (Protocol, Chooser)> {
        self.0.iter().filter_map(|(protocol, ())| Some((protocol, protocol.chooser()?)))
    }

    /// What is measured on a split after each epoch: nothing where no protocol chooses by it.
    pub fn scores(&self, split: HeldOut) -> Vec<Score> {
        let wanted =
            |score: &Score| self.choosing().any(|(_, chooser)| chooser == Chooser { split, score: *score });
        Score::all().filter(wanted).collect()
    }

    /// What is measured on the validation split of what is recorded: accuracy, whatever chooses.
    pub fn val_scores(&self) -> Vec<Score> {
        let chosen_by = self.scores(HeldOut::Val);
        Score::all().filter(|score| *score == Score::Top1 || chosen_by.contains(score)).collect()
    }

    /// Whether a finished run has the states of all of them.
    pub fn recorded<M>(&self, states: &PerProtocol<State<M>>) -> bool {
        self.0.iter().all(|(protocol, ())| states.chosen(protocol).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct<K: Key>() {
        let mut keys: Vec<_> = K::all().map(Key::key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), K::all().count());
    }

    #[test]
    fn the_lists_are_complete_and_their_keys_are_different() {
        for protocol in Protocol::value_variants() {
            assert!(Protocol::all().any(|listed| listed == *protocol), "{protocol}");
            assert_eq!(Protocol::from_str(protocol.name(), false).as_ref(), Ok(protocol));
            if let Some(chooser) = protocol.chooser() {
                assert!(Chooser::all().any(|listed| listed == chooser), "{protocol}");
                assert!(crate::metrics::METRICS.iter().any(|metric| *metric == chooser.score.metric()));
            }
        }
        distinct::<Protocol>();
        distinct::<Score>();
        distinct::<Chooser>();
    }

    #[test]
    fn a_split_is_looked_at_only_where_a_protocol_chooses_by_it() {
        let scores =
            |protocols: &Protocols| [HeldOut::Val, HeldOut::Test].map(|split| protocols.scores(split));
        assert_eq!(scores(&Protocols::of(&[])), [vec![], vec![]]);
        assert_eq!(scores(&Protocols::of(&[Protocol::Val])), [vec![Score::Top1], vec![]]);
        assert_eq!(scores(&Protocols::allowed(false)), [vec![], vec![Score::Top1]]);
        let all = Protocols::allowed(true).with(Protocol::ValNll);
        assert_eq!(scores(&all), [vec![Score::Top1, Score::Nll], vec![Score::Top1]]);
        assert_eq!(Protocols::of(&[Protocol::ValNll]).val_scores(), [Score::Top1, Score::Nll]);
    }
}
