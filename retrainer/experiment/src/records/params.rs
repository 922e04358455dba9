//! Hyper-parameters of a run, and the digest that names it.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::fmt::{self, Write};

/// The parameter that says whether logits of clean and flipped views were averaged.
pub const TEST_TIME_AUGMENTATION: &str = "test_time_augmentation";

/// The parameter that says what the products of training read, where that is not f32.
pub const PRECISION: &str = "precision";

/// The parameter that names the stage-1 head where it is not the cache's own.
pub const STAGE1_HEAD: &str = "stage1_head";

/// The parameter that says what features went through before the head, where that is anything.
pub const NORMALISE: &str = "normalise";

/// Parameters that a sweep adds by itself, whatever the grid says.
pub(crate) const FOLLOWING: &[&str] = &[super::REVISION, STAGE1_HEAD];

/// Digits of its digest there.
pub const STAGE1_DIGITS: usize = 16;

/// Hyper-parameters by name, in the order of the method; values are numbers, strings or booleans.
///
/// What JSON has no number for (an infinite threshold) is a string.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Params(Map<String, Value>);

impl<'de> Deserialize<'de> for Params {
    /// Refuses a name that is there twice, of which JSON readers silently take one, and values that no parameter has.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Params;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from parameters to values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                let mut pairs = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if value.is_array() || value.is_object() || value.is_null() {
                        let message = format!("parameter `{name}` is no number, string or boolean");
                        return Err(A::Error::custom(message));
                    }
                    if pairs.contains_key(&name) {
                        return Err(A::Error::custom(format!("duplicate parameter `{name}`")));
                    }
                    pairs.insert(name, value);
                }
                Ok(Params(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

impl Params {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The parameters with one more, or with another value of it.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// The parameters as JSON with sorted names: equal for equal points, whatever the order.
    pub fn canonical(&self) -> String {
        let mut pairs: Vec<_> = self.iter().collect();
        pairs.sort_unstable_by_key(|&(name, _)| name);
        let mut text = String::new();
        for (name, value) in pairs {
            // Writing to a string cannot fail; `Value` prints as JSON.
            let _ = write!(text, "{}{}:{value}", if text.is_empty() { "" } else { "," }, Value::from(name));
        }
        format!("{{{text}}}")
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// `delta=0.98 lr=5e-4`
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{name}={}", ParamText(value))?;
        }
        Ok(())
    }
}

/// A value as people write it: strings without quotes, whole numbers without fraction, small and large ones as `5e-4`.
pub(crate) struct ParamText<'a>(pub(crate) &'a Value);

impl fmt::Display for ParamText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.0.as_f64()) {
            (Value::String(text), _) => f.write_str(text),
            (_, Some(number)) if number == 0.0 || (1e-3..1e6).contains(&number.abs()) => number.fmt(f),
            (_, Some(number)) => write!(f, "{number:e}"),
            (other, _) => other.fmt(f),
        }
    }
}

/// The name of a run: 32 hex digits of BLAKE3 over everything that decides its result.
///
/// Paths, times and the device are not part of it; the order of the parameters is not either.
pub fn run_id(cache_key: &str, method: &str, params: &Params, seed: u64, precision: &str) -> String {
    let identity = Value::from(vec![
        Value::from(cache_key),
        Value::from(method),
        Value::from(params.canonical()),
        Value::from(seed),
        Value::from(precision),
    ]);
    blake3::hash(identity.to_string().as_bytes()).to_hex().chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(json: &str) -> Params {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn order_of_parameters_is_kept_for_people_and_ignored_by_identity() {
        let (a, b) = (
            params(r#"{"lr":0.0005,"delta":0.98,"init":"stage1"}"#),
            params(r#"{"init":"stage1","delta":0.98,"lr":5e-4}"#),
        );
        assert_eq!(a.to_string(), "lr=5e-4 delta=0.98 init=stage1");
        assert_eq!(a.canonical(), r#"{"delta":0.98,"init":"stage1","lr":0.0005}"#);
        assert_eq!(run_id("k", "lort", &a, 0, "f32"), run_id("k", "lort", &b, 0, "f32"));
    }

    #[test]
    fn numbers_are_printed_short() {
        let params = params(
            r#"{"epochs":20.0,"lr":0.00001,"momentum":0.9,"n":-2e6,"decay_bias":true,"weight_decay":0.0}"#,
        );
        assert_eq!(
            params.to_string(),
            "epochs=20 lr=1e-5 momentum=0.9 n=-2e6 decay_bias=true weight_decay=0"
        );
    }

    #[test]
    fn every_part_of_the_identity_changes_the_id() {
        let p = params(r#"{"lr":0.1}"#);
        let base = run_id("k", "ce", &p, 0, "f32");
        assert_eq!(base.len(), 32);
        let others = [
            run_id("l", "ce", &p, 0, "f32"),
            run_id("k", "lort", &p, 0, "f32"),
            run_id("k", "ce", &params(r#"{"lr":0.2}"#), 0, "f32"),
            run_id("k", "ce", &params(r#"{"lr":"0.1"}"#), 0, "f32"),
            run_id("k", "ce", &p, 1, "f32"),
            run_id("k", "ce", &p, 0, "bf16"),
        ];
        assert!(others.iter().all(|other| *other != base));
    }
}
