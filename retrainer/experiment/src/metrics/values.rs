//! One optional number per entry of the metric list, as flat JSON keys.

use super::list::METRICS;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
};
use std::fmt;

/// The values of [`METRICS`] for one weight state of one head on one split.
///
/// Serialises as a flat map `{"top1.all": 0.543, …}` without the absent ones; unknown keys are ignored when read, so
/// that records of a later version stay readable.
#[derive(Clone, Copy)]
pub struct MetricValues([f64; METRICS.len()]); // NaN: absent. Half the size of `Option`, and reports hold many.

impl MetricValues {
    /// No metric has a value.
    pub const EMPTY: Self = Self([f64::NAN; METRICS.len()]);

    /// The value of a metric; `None` when it is absent or unknown.
    pub fn get(&self, name: &str) -> Option<f64> {
        let index = METRICS.iter().position(|metric| metric.name == name)?;
        self.0.get(index).copied().filter(|value| !value.is_nan())
    }

    /// Sets a metric of [`METRICS`]; a value that is not finite counts as absent.
    pub fn set(&mut self, name: &str, value: Option<f64>) {
        let index = METRICS.iter().position(|metric| metric.name == name);
        debug_assert!(index.is_some(), "`{name}` is not in METRICS");
        if let Some(slot) = index.and_then(|index| self.0.get_mut(index)) {
            *slot = value.filter(|value| value.is_finite()).unwrap_or(f64::NAN);
        }
    }

    /// Sets `family.all`, `family.many`, `family.medium` and `family.few`.
    pub(super) fn set_groups(&mut self, family: &str, means: [Option<f64>; 4]) {
        for (group, mean) in ["all", "many", "medium", "few"].into_iter().zip(means) {
            self.set(&format!("{family}.{group}"), mean);
        }
    }

    /// The metrics that have a value, in list order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> {
        METRICS
            .iter()
            .zip(self.0)
            .filter(|(_, value)| !value.is_nan())
            .map(|(metric, value)| (metric.name, value))
    }
}

impl Default for MetricValues {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for MetricValues {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for MetricValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for MetricValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for MetricValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Flat;
        impl<'de> Visitor<'de> for Flat {
            type Value = MetricValues;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from metric names to numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MetricValues, A::Error> {
                let mut values = MetricValues::EMPTY;
                while let Some(name) = map.next_key::<String>()? {
                    if values.get(&name).is_some() {
                        return Err(A::Error::custom(format!("duplicate metric `{name}`")));
                    }
                    if METRICS.iter().any(|metric| metric.name == name) {
                        values.set(&name, map.next_value()?);
                    } else {
                        map.next_value::<serde::de::IgnoredAny>()?;
                    }
                }
                Ok(values)
            }
        }
        deserializer.deserialize_map(Flat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_json_exactly_and_absent_ones_are_left_out() {
        let mut values = MetricValues::EMPTY;
        values.set("top1.all", Some(0.1 + 0.2));
        values.set("top1.few", None);
        values.set("nll", Some(f64::INFINITY));
        let json = serde_json::to_string(&values).unwrap();
        assert_eq!(json, r#"{"top1.all":0.30000000000000004}"#);
        assert_eq!(serde_json::from_str::<MetricValues>(&json).unwrap(), values);
    }

    #[test]
    fn unknown_keys_and_nulls_are_ignored() {
        let values: MetricValues =
            serde_json::from_str(r#"{"top9.all": [1], "ece": null, "nll": 2.5}"#).unwrap();
        assert_eq!(values.iter().collect::<Vec<_>>(), [("nll", 2.5)]);
        assert_eq!(values.get("top9.all"), None);
    }
}
