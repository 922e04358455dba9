//! The protocols: how epoch and hyper-parameters are chosen.

use super::Permit;
use crate::{
    metrics::{MetricValues, TOP1},
    records::{Run, StateMetrics, Status},
};
use clap::ValueEnum;
use std::fmt;

/// How the reported epoch and hyper-parameters were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Last epoch of every grid point: nothing is chosen
    Last,
    /// Epoch and hyper-parameters by validation accuracy; the test split is seen once
    Val,
    /// Epoch and hyper-parameters by test accuracy, as in most published code: optimistic
    BestOnTest,
}

impl Protocol {
    /// `val` where every finished run has a validation score, else `last`.
    pub fn default_for(runs: &[&Run]) -> Self {
        let mut finished = runs.iter().filter(|run| run.status == Status::Ok).peekable();
        let validated = finished.peek().is_some() && finished.all(|run| Self::Val.score(run).is_some());
        if validated { Self::Val } else { Self::Last }
    }

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Val => "val",
            Self::BestOnTest => "best-on-test",
        }
    }

    /// One sentence for the foot of a table.
    pub fn about(self) -> &'static str {
        match self {
            Self::Last => "last epoch of every grid point; nothing is chosen",
            Self::Val => "epoch and hyper-parameters chosen by validation accuracy; test seen once",
            Self::BestOnTest => {
                "epoch and hyper-parameters chosen by TEST accuracy (the usual published protocol, optimistic)"
            }
        }
    }

    /// Whether a finished run has what this protocol reports.
    pub fn recorded(self, run: &Run) -> bool {
        self.state(run).is_some()
    }

    /// The weight state that this protocol reports; heads without epochs have only the last one.
    fn state(self, run: &Run) -> Option<&StateMetrics> {
        let metrics = &run.metrics;
        let last = metrics.last.as_ref();
        let only = last.filter(|state| state.epoch == 0);
        match self {
            Self::Last => last,
            Self::Val => metrics.val_selected.as_ref().or(only).filter(|state| state.val_top1.is_some()),
            Self::BestOnTest => metrics.best_on_test.as_ref().or(only),
        }
    }

    /// The accuracy that this protocol chooses by; `None` when the run has none.
    pub(super) fn score(self, run: &Run) -> Option<f64> {
        let state = self.state(run)?;
        match self {
            Self::Last => None,
            Self::Val => state.val_top1,
            Self::BestOnTest => state.test(Permit(())).get(TOP1.all),
        }
    }

    /// Epoch and test metrics of the chosen state.
    pub(super) fn result(self, run: &Run) -> Option<(u32, MetricValues)> {
        let state = self.state(run)?;
        Some((state.epoch, *state.test(Permit(()))))
    }
}

/// The protocols that a sweep records states for; `last` costs nothing and is always one of them.
///
/// Validation and test accuracy are measured after each epoch only where `val` and `best-on-test` need them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    /// Record the epoch that validation chooses.
    pub val: bool,
    /// Record the epoch that the test split chooses.
    pub best_on_test: bool,
}

impl Protocols {
    /// All protocols.
    pub const ALL: Self = Self { val: true, best_on_test: true };

    /// Those of a list.
    pub fn of(protocols: &[Protocol]) -> Self {
        Self {
            val: protocols.contains(&Protocol::Val),
            best_on_test: protocols.contains(&Protocol::BestOnTest),
        }
    }

    /// Whether a run needs not be done again: it diverged, or has the states of all these protocols.
    pub fn recorded(self, run: &Run) -> bool {
        let has = |wanted: bool, protocol: Protocol| !wanted || protocol.recorded(run);
        run.status == Status::Diverged
            || (has(self.val, Protocol::Val) && has(self.best_on_test, Protocol::BestOnTest))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
