//! The seal on test numbers.

use crate::metrics::{Metric, MetricValues, Unit};
use serde::{Deserialize, Serialize};

/// Numbers of the test split that nobody has seen.
///
/// A table that shows the best of many test numbers shows luck. So they can be put in and written, but only
/// [`crate::select`] takes them out: a table shows what a protocol selected, never what somebody picked.
///
/// ```compile_fail,E0624
/// use experiment::{metrics::MetricValues, protocol::Unseen};
/// fn peek(test: Unseen<MetricValues>) -> Option<f64> {
///     test.unseal().get(TOP1.all)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unseen<M>(M);

impl<M> Unseen<M> {
    /// Seals numbers.
    pub fn new(numbers: M) -> Self {
        Self(numbers)
    }

    /// The same numbers, borrowed.
    pub fn as_ref(&self) -> Unseen<&M> {
        Unseen(&self.0)
    }

    /// The numbers, for a protocol that has made its choice.
    pub(crate) fn unseal(self) -> M {
        self.0
    }
}

impl Unseen<MetricValues> {
    /// Whether accuracies and other fractions are some.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.0.iter().try_for_each(|(metric, value)| check_fraction(metric, metric.name, value))
    }
}

impl Unseen<Vec<f64>> {
    /// Whether the values of a metric after each epoch are fractions where they should be.
    pub(crate) fn check(&self, metric: Metric) -> Result<(), String> {
        self.0.iter().try_for_each(|&value| check_fraction(metric, "curve", value))
    }
}

/// Whether the value of a metric is a fraction where it should be; a sum of rounded parts may miss an end by its rounding.
pub(crate) fn check_fraction(metric: Metric, name: &str, value: f64) -> Result<(), String> {
    const ROUNDING: f64 = 1e-6;
    if metric.unit != Unit::Fraction || (-ROUNDING..=1.0 + ROUNDING).contains(&value) {
        return Ok(());
    }
    Err(format!("`{name}` is {value:?}, expected a fraction from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Files below a folder whose code, up to its tests, has a text.
    fn files_with(folder: &Path, text: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files_with(&path, text, found);
            } else if fs::read_to_string(&path).unwrap().split("#[cfg(test)]").next().unwrap().contains(text)
            {
                found.push(path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string());
            }
        }
    }

    /// Other crates cannot: `unseal` is private to this one.
    #[test]
    fn only_selection_unseals_test_numbers() {
        let mut found = Vec::new();
        files_with(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ".unseal()", &mut found);
        found.retain(|file| file != "src/protocol/unseen.rs");
        assert!(!found.is_empty() && found.iter().all(|file| file.starts_with("src/select/")), "{found:?}");
    }
}
