//! Hyper-parameters: what a method takes, and values that have been checked against it.

use super::Method;
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// A hyper-parameter's value.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Value {
    /// A number; integers are numbers without a fraction.
    Number(f64),
    /// One of a parameter's choices.
    Choice(&'static str),
    /// Yes or no.
    Flag(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{}", self::number(*number)),
            Self::Choice(choice) => f.write_str(choice),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Choice(choice) => serializer.serialize_str(choice),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
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

/// The values that a parameter may have.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A number from `min` to `max`, both included; `max` may be infinite.
    Number {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// A number above `min`.
    Above {
        /// Largest value that is too small.
        min: f64,
    },
    /// An integer of at least `min`.
    Integer {
        /// Smallest value.
        min: u32,
    },
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { min, max } if max.is_infinite() && min.is_infinite() => f.write_str("a number"),
            Self::Number { min, max } if max.is_infinite() => write!(f, "a number of at least {min}"),
            Self::Number { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Above { min } => write!(f, "a number above {min}"),
            Self::Integer { min } => write!(f, "an integer of at least {min}"),
            Self::Choice(choices) => write!(f, "one of {}", choices.join(", ")),
            Self::Flag => f.write_str("true or false"),
        }
    }
}

impl Kind {
    /// What was expected in place of a value that is none of these: its end of the range where it is beyond one.
    fn expected(self, given: &Given) -> String {
        match (self, given) {
            (Self::Integer { .. }, Given::Number(number)) if *number > f64::from(u32::MAX) => {
                format!("an integer of at most {}", u32::MAX)
            }
            (Self::Above { min }, Given::Number(number)) if number.is_infinite() && *number > 0.0 => {
                format!("a finite number above {min}")
            }
            _ => self.to_string(),
        }
    }
}

/// A hyper-parameter of a method.
#[derive(Debug)]
pub struct Param {
    /// Name in grids and records.
    pub name: &'static str,
    /// Allowed values.
    pub kind: Kind,
    /// Value where a grid says nothing.
    pub default: Value,
    /// One line of help.
    pub help: &'static str,
}

/// A value as a grid file gives it, before it is checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Integer or float.
    Number(f64),
    /// A string.
    Text(String),
    /// A boolean.
    Flag(bool),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => f.write_str(&self::number(*number)),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// A hyper-parameter that a method cannot take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParamError {
    /// No such method.
    #[error("unknown method `{name}`")]
    UnknownMethod {
        /// The name given.
        name: String,
        /// The nearest method.
        suggestion: Option<String>,
    },
    /// The method has no such parameter.
    #[error("method `{method}` has no parameter `{name}`")]
    UnknownParam {
        /// The method.
        method: &'static str,
        /// The name given.
        name: String,
        /// The nearest parameter.
        suggestion: Option<String>,
    },
    /// The value is of another kind or out of range.
    #[error("`{name}` of `{method}` is {got}, expected {expected}")]
    OutOfRange {
        /// The method.
        method: &'static str,
        /// The parameter.
        name: &'static str,
        /// What the parameter takes.
        expected: String,
        /// The value given.
        got: String,
    },
}

impl files::Hint for ParamError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownMethod { suggestion: Some(name), .. }
            | Self::UnknownParam { suggestion: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Self::UnknownMethod { .. } | Self::UnknownParam { .. } => {
                Some("`retrainer methods` lists all methods and their parameters".to_owned())
            }
            Self::OutOfRange { .. } => None,
        }
    }
}

impl Param {
    /// Checks a given value.
    ///
    /// # Errors
    /// [`ParamError::OutOfRange`].
    pub fn check(&self, method: &'static str, given: &Given) -> Result<Value, ParamError> {
        let value = match (self.kind, given) {
            (Kind::Number { min, max }, Given::Number(number)) if (min..=max).contains(number) => {
                Some(Value::Number(*number))
            }
            (Kind::Above { min }, Given::Number(number)) if *number > min && number.is_finite() => {
                Some(Value::Number(*number))
            }
            (Kind::Integer { min }, Given::Number(number))
                if number.fract() == 0.0 && (f64::from(min)..=f64::from(u32::MAX)).contains(number) =>
            {
                Some(Value::Number(*number))
            }
            (Kind::Choice(choices), Given::Text(text)) => {
                choices.iter().find(|choice| *choice == text).map(|choice| Value::Choice(choice))
            }
            (Kind::Flag, Given::Flag(flag)) => Some(Value::Flag(*flag)),
            _ => None,
        };
        value.ok_or_else(|| ParamError::OutOfRange {
            method,
            name: self.name,
            expected: self.kind.expected(given),
            got: given.to_string(),
        })
    }
}

/// Checked hyper-parameters of one head, all resolved, in name order; copies share them, since a grid has up to a million.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct Params(Arc<[(&'static str, Value)]>);

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// `delta=0.98 lr=5e-4`
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{name}={value}")?;
        }
        Ok(())
    }
}

impl Params {
    /// Checks given values against a method and fills in its defaults.
    ///
    /// # Errors
    /// [`ParamError::UnknownParam`], [`ParamError::OutOfRange`].
    pub fn resolve(method: &'static Method, given: &[(&str, Given)]) -> Result<Self, ParamError> {
        let known = method.all_params();
        let mut values: BTreeMap<_, _> =
            known.iter().map(|(param, default)| (param.name, default.clone())).collect();
        for (name, value) in given {
            let Some((param, _)) = known.iter().find(|(param, _)| param.name == *name) else {
                return Err(ParamError::UnknownParam {
                    method: method.name,
                    name: (*name).to_owned(),
                    suggestion: suggestion(name, known.iter().map(|(param, _)| param.name)),
                });
            };
            values.insert(param.name, param.check(method.name, value)?);
        }
        Ok(Self(values.into_iter().collect()))
    }

    /// Whether both are copies of one.
    pub(crate) fn shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Bytes that they take, all copies together.
    pub(crate) fn bytes(&self) -> usize {
        /// The counts of copies, and what the allocator adds.
        const OVERHEAD: usize = 32;
        size_of_val(&*self.0) + OVERHEAD
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let place = self.0.binary_search_by_key(&name, |(name, _)| name).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// All values in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> + '_ {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// A number that [`Params::resolve`] has put there; 0 for a name that the method does not declare.
    pub fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Value::Number(number)) => *number,
            _ => 0.0,
        }
    }

    /// An integer that [`Params::resolve`] has put there.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be an integer that fits u32"
    )]
    pub fn integer(&self, name: &str) -> usize {
        self.number(name) as usize
    }

    /// A choice that [`Params::resolve`] has put there.
    pub fn choice(&self, name: &str) -> &'static str {
        match self.get(name) {
            Some(Value::Choice(choice)) => choice,
            _ => "",
        }
    }

    /// A flag that [`Params::resolve`] has put there.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Flag(true)))
    }
}

/// The candidate nearest to a misspelt name, if one is near.
pub fn suggestion<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|one, two| one.0.total_cmp(&two.0))
        .map(|(_, candidate)| candidate.to_owned())
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
    fn rejects_values_out_of_range_or_of_another_kind() {
        let lort = Method::find("lort").unwrap();
        for (name, given) in [
            ("delta", Given::Number(1.5)),
            ("delta", Given::Number(f64::NAN)),
            ("delta", Given::Text("0.9".to_owned())),
            ("epochs", Given::Number(2.5)),
            ("init", Given::Text("stage2".to_owned())),
            ("lr", Given::Number(0.0)),
        ] {
            assert!(
                matches!(Params::resolve(lort, &[(name, given)]), Err(ParamError::OutOfRange { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn values_beyond_an_end_are_told_that_end() {
        let expected = |name, number| {
            let error = Params::resolve(Method::find("ce").unwrap(), &[(name, Given::Number(number))]);
            error.unwrap_err().to_string()
        };
        assert!(
            expected("batch_size", 4_294_967_296.0).ends_with("expected an integer of at most 4294967295")
        );
        assert!(expected("batch_size", 0.0).ends_with("expected an integer of at least 1"));
        assert!(expected("batch_size", f64::MAX).contains("is 1.7976931348623157e308, expected"));
        assert!(expected("lr", f64::INFINITY).ends_with("is inf, expected a finite number above 0"));
    }

    #[test]
    fn values_are_found_by_name_and_copies_share_them() {
        let params =
            Params::resolve(Method::find("lort").unwrap(), &[("delta", Given::Number(0.9))]).unwrap();
        let names: Vec<_> = params.iter().map(|(name, _)| name).collect();
        assert!(names.is_sorted());
        assert_eq!((params.number("delta"), params.integer("epochs"), params.number("tau")), (0.9, 20, 0.0));
        assert!(
            params.clone().shared_with(&params)
                && !params.shared_with(&Params::resolve(Method::find("lort").unwrap(), &[]).unwrap())
        );
    }

    #[test]
    fn an_unknown_parameter_names_the_nearest() {
        let error = Params::resolve(Method::find("ce").unwrap(), &[("weight-decay", Given::Number(0.0))])
            .unwrap_err();
        let ParamError::UnknownParam { suggestion, .. } = error else { panic!() };
        assert_eq!(suggestion.as_deref(), Some("weight_decay"));
    }
}
