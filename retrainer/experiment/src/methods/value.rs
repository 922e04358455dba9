//! The value of a hyper-parameter: as a grid gives it, as people read it, as records keep it.

use serde_json::Value as Json;
use std::{borrow::Cow, fmt};

/// What JSON, which has no number for it, calls an infinite value.
const INFINITE: &str = "inf";

/// A hyper-parameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number; integers are numbers without a fraction.
    Number(f64),
    /// A word: one of a parameter's choices.
    Text(Cow<'static, str>),
    /// Yes or no.
    Flag(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => f.write_str(&self::number(*number)),
            Self::Text(text) => f.write_str(text),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

impl Value {
    /// The value as a grid file gives it: text in quotes.
    pub(super) fn quoted(&self) -> String {
        match self {
            Self::Text(text) => format!("\"{text}\""),
            Self::Number(_) | Self::Flag(_) => self.to_string(),
        }
    }

    /// The value that a record keeps; `None` for what no parameter has.
    pub fn recorded(json: &Json) -> Option<Self> {
        match json {
            Json::Bool(flag) => Some(Self::Flag(*flag)),
            Json::String(text) if text == INFINITE => Some(Self::Number(f64::INFINITY)),
            Json::String(text) => Some(Self::Text(text.clone().into())),
            Json::Number(number) => number.as_f64().map(Self::Number),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    }
}

/// As records keep it.
impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Number(number) if number.is_infinite() => INFINITE.into(),
            Value::Number(number) => number.into(),
            Value::Text(text) => text.into(),
            Value::Flag(flag) => flag.into(),
        }
    }
}

/// A number as people write it: `0.98`, `5e-4`, `20`, `1e300`, `inf`.
pub fn number(number: f64) -> String {
    let plain = format!("{number}");
    let scientific = format!("{number:e}");
    if number != 0.0
        && number.is_finite()
        && !(1e-2..1e6).contains(&number.abs())
        && scientific.len() < plain.len()
    {
        scientific
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_people_write_them() {
        assert_eq!(
            [0.98, 5e-4, 20.0, 0.0, 0.01, 1e-5].map(number),
            ["0.98", "5e-4", "20", "0", "0.01", "1e-5"]
        );
    }

    #[test]
    fn records_give_back_the_values_that_they_keep() {
        let values = [Value::Number(0.98), Value::Number(f64::INFINITY), Value::Text("l2".into())];
        for value in values.into_iter().chain([Value::Flag(false)]) {
            assert_eq!(Value::recorded(&value.clone().into()), Some(value));
        }
        assert_eq!(Json::from(Value::Number(f64::INFINITY)), "inf");
        assert_eq!(Value::recorded(&Json::Null), None);
    }
}
