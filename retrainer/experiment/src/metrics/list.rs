//! The list of metrics: the one place that names them.

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

/// Name, unit and direction of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Key in records and reports, for example `top1.few`.
    pub name: &'static str,
    /// How to read the value.
    pub unit: Unit,
    /// Which way it improves.
    pub direction: Direction,
    /// One sentence for people.
    pub about: &'static str,
}

const fn metric(name: &'static str, unit: Unit, direction: Direction, about: &'static str) -> Metric {
    Metric { name, unit, direction, about }
}

/// Every metric of this crate, in the order of the reports.
///
/// `X.all`, `X.many`, `X.medium`, `X.few` are means over the classes of the group; a group without classes has no value.
pub const METRICS: &[Metric] = {
    use Direction::{Higher, Lower, Neither};
    use Unit::{Fraction, Nats, Plain};
    &[
        metric("top1.all", Fraction, Higher, "mean of the per-class accuracies"),
        metric("top1.many", Fraction, Higher, "the same over classes with more than 100 training samples"),
        metric("top1.medium", Fraction, Higher, "the same over classes with 20 to 100 training samples"),
        metric("top1.few", Fraction, Higher, "the same over classes with fewer than 20 training samples"),
        metric("balanced_error", Fraction, Lower, "1 − top1.all"),
        metric("macro_f1", Fraction, Higher, "mean over classes of 2 TP / (2 TP + FP + FN)"),
        metric("nll", Nats, Lower, "mean of −log p_y over samples"),
        metric("ece", Fraction, Lower, "expected calibration error, 15 equal bins of the confidence"),
        metric(
            "logits_magnitude.all",
            Plain,
            Neither,
            "M_k = mean logit of positives − mean logit of negatives (Eq. 4)",
        ),
        metric("logits_magnitude.many", Plain, Neither, "M_k of the many-shot classes"),
        metric("logits_magnitude.medium", Plain, Neither, "M_k of the medium-shot classes"),
        metric("logits_magnitude.few", Plain, Neither, "M_k of the few-shot classes"),
        metric(
            "logits_magnitude.spread",
            Plain,
            Lower,
            "standard deviation of M_k over classes / |mean|: 0 is balanced",
        ),
        metric(
            "regularized_std_pos.all",
            Plain,
            Neither,
            "R_k = deviation of the positives' logits / M_k (Eq. 8)",
        ),
        metric("regularized_std_pos.many", Plain, Neither, "R_pos of the many-shot classes"),
        metric("regularized_std_pos.medium", Plain, Neither, "R_pos of the medium-shot classes"),
        metric("regularized_std_pos.few", Plain, Neither, "R_pos of the few-shot classes"),
        metric("regularized_std_neg.all", Plain, Neither, "R_k with the deviation of the negatives' logits"),
        metric("regularized_std_neg.many", Plain, Neither, "R_neg of the many-shot classes"),
        metric("regularized_std_neg.medium", Plain, Neither, "R_neg of the medium-shot classes"),
        metric("regularized_std_neg.few", Plain, Neither, "R_neg of the few-shot classes"),
        metric(
            "regularized_std_all.all",
            Plain,
            Neither,
            "R_k with the deviation of all logits of the column",
        ),
        metric("regularized_std_all.many", Plain, Neither, "R_all of the many-shot classes"),
        metric("regularized_std_all.medium", Plain, Neither, "R_all of the medium-shot classes"),
        metric("regularized_std_all.few", Plain, Neither, "R_all of the few-shot classes"),
        metric("weight_norm.all", Plain, Neither, "mean Euclidean norm of the classifier rows"),
        metric("weight_norm.many", Plain, Neither, "norm of the many-shot rows"),
        metric("weight_norm.medium", Plain, Neither, "norm of the medium-shot rows"),
        metric("weight_norm.few", Plain, Neither, "norm of the few-shot rows"),
    ]
};

impl Metric {
    /// The entry of [`METRICS`] with that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_described() {
        assert_eq!(METRICS.iter().map(|metric| metric.name).collect::<BTreeSet<_>>().len(), METRICS.len());
        assert!(METRICS.iter().all(|metric| !metric.about.is_empty()));
        assert_eq!(Metric::find("ece").map(|metric| metric.direction), Some(Direction::Lower));
        assert_eq!(Metric::find("top5"), None);
    }
}
