//! Names and values that no method has.

use files::Hint;

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

impl Hint for ParamError {
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

/// The candidate nearest to a misspelt name, if one is near.
pub fn suggestion<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|one, two| one.0.total_cmp(&two.0))
        .map(|(_, candidate)| candidate.to_owned())
}
