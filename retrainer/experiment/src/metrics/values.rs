//! One optional number per entry of the metric list, as flat JSON keys.

use super::{list::METRICS, metric::Metric};
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

    /// The value of a metric; `None` when it is absent.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.0.get(place(metric)?).copied().filter(|value| !value.is_nan())
    }

    /// Sets a metric; a value that is not finite counts as absent.
    pub fn set(&mut self, metric: Metric, value: Option<f64>) {
        let place = place(metric);
        debug_assert!(place.is_some(), "`{}` is not in METRICS", metric.name);
        if let Some(slot) = place.and_then(|place| self.0.get_mut(place)) {
            *slot = value.filter(|value| value.is_finite()).unwrap_or(f64::NAN);
        }
    }

    /// The metrics that have a value, in list order.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, f64)> {
        METRICS.iter().copied().zip(self.0).filter(|(_, value)| !value.is_nan())
    }

    /// The same by name.
    fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.iter().map(|(metric, value)| (metric.name, value))
    }
}

fn place(metric: Metric) -> Option<usize> {
    METRICS.iter().position(|other| other.name == metric.name)
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
        f.debug_map().entries(self.named()).finish()
    }
}

impl Serialize for MetricValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.named())
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
                    let Some(metric) = Metric::find(&name) else {
                        map.next_value::<serde::de::IgnoredAny>()?;
                        continue;
                    };
                    if values.get(metric).is_some() {
                        return Err(A::Error::custom(format!("duplicate metric `{name}`")));
                    }
                    values.set(metric, map.next_value()?);
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
    use crate::metrics::{NLL, TOP1};

    #[test]
    fn values_survive_json_exactly_and_absent_ones_are_left_out() {
        let mut values = MetricValues::EMPTY;
        values.set(TOP1.all, Some(0.1 + 0.2));
        values.set(TOP1.few, None);
        values.set(NLL, Some(f64::INFINITY));
        let json = serde_json::to_string(&values).unwrap();
        assert_eq!(json, r#"{"top1.all":0.30000000000000004}"#);
        assert_eq!(serde_json::from_str::<MetricValues>(&json).unwrap(), values);
    }

    #[test]
    fn unknown_keys_and_nulls_are_ignored() {
        let values: MetricValues =
            serde_json::from_str(r#"{"top9.all": [1], "ece": null, "nll": 2.5}"#).unwrap();
        assert_eq!(values.iter().collect::<Vec<_>>(), [(NLL, 2.5)]);
    }
}
