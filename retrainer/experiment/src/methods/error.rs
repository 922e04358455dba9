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
        suggestion: Option<&'static str>,
    },
    /// The method has no such parameter.
    #[error("method `{method}` has no parameter `{name}`")]
    UnknownParam {
        /// The method.
        method: &'static str,
        /// The name given.
        name: String,
        /// The nearest parameter.
        suggestion: Option<&'static str>,
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
