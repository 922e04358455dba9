//! What a metric is called, and how its value is to be read.

use cache::Shot;

/// How a value is to be read and printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share in 0..=1, printed as percent.
    Fraction,
    /// A natural-logarithm quantity.
    Nats,
    /// A quantity in the units of the logits or weights.
    Plain,
}

/// Which way a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Larger is better.
    Higher,
    /// Smaller is better.
    Lower,
    /// A description, neither good nor bad.
    Neither,
}

/// Name, unit and direction of one metric: the key of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Key in records and reports, for example `top1.few`.
    pub name: &'static str,
    /// How to read the value.
    pub unit: Unit,
    /// Which way it improves.
    pub direction: Direction,
}

/// One quantity as means over all classes and over those of each group; a group without classes has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByGroup {
    /// Over all classes.
    pub all: Metric,
    /// Over classes with more than 100 training samples.
    pub many: Metric,
    /// Over classes with 20 to 100.
    pub medium: Metric,
    /// Over classes with fewer than 20.
    pub few: Metric,
}

/// The metrics `family.all`, `family.many`, `family.medium` and `family.few`.
macro_rules! by_group {
    ($family:literal, $unit:ident, $direction:ident) => {
        $crate::metrics::metric::ByGroup {
            all: $crate::metrics::metric::metric!(concat!($family, ".all"), $unit, $direction),
            many: $crate::metrics::metric::metric!(concat!($family, ".many"), $unit, $direction),
            medium: $crate::metrics::metric::metric!(concat!($family, ".medium"), $unit, $direction),
            few: $crate::metrics::metric::metric!(concat!($family, ".few"), $unit, $direction),
        }
    };
}

/// A metric of one value.
macro_rules! metric {
    ($name:expr, $unit:ident, $direction:ident) => {
        $crate::metrics::metric::Metric {
            name: $name,
            unit: $crate::metrics::metric::Unit::$unit,
            direction: $crate::metrics::metric::Direction::$direction,
        }
    };
}

pub(super) use {by_group, metric};

impl ByGroup {
    /// All, many, medium, few: the order of the reports.
    pub const fn each(self) -> [Metric; 4] {
        [self.all, self.many, self.medium, self.few]
    }

    /// That of one group.
    pub const fn of(self, shot: Shot) -> Metric {
        match shot {
            Shot::Many => self.many,
            Shot::Medium => self.medium,
            Shot::Few => self.few,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ECE, METRICS, TOP1};
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_find_their_metric() {
        assert_eq!(METRICS.iter().map(|metric| metric.name).collect::<BTreeSet<_>>().len(), METRICS.len());
        assert!(METRICS.iter().all(|metric| Metric::find(metric.name) == Some(*metric)));
        assert_eq!((Metric::find("ece"), Metric::find("top9")), (Some(ECE), None));
        let groups = Shot::ALL.map(|shot| TOP1.of(shot).name);
        assert_eq!(groups, ["top1.many", "top1.medium", "top1.few"]);
        assert_eq!(
            TOP1.each().map(|metric| metric.name),
            ["top1.all", "top1.many", "top1.medium", "top1.few"]
        );
    }
}
