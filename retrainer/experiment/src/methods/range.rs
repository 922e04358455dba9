//! What a hyper-parameter may be: ranges of numbers, words, yes or no; each bound to the type of the field that it is for.

use super::Value;
use std::{fmt, marker::PhantomData};

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
    pub(super) fn expected(self, given: &Value) -> String {
        match (self, given) {
            (Self::Integer { .. }, Value::Number(number)) if *number > f64::from(u32::MAX) => {
                format!("an integer of at most {}", u32::MAX)
            }
            (Self::Above { min }, Value::Number(number)) if number.is_infinite() && *number > 0.0 => {
                format!("a finite number above {min}")
            }
            _ => self.to_string(),
        }
    }

    /// Whether a number is one of these.
    pub(crate) fn holds(self, number: f64) -> bool {
        match self {
            Self::Number { min, max } => (min..=max).contains(&number),
            Self::Above { min } => number > min && number.is_finite(),
            Self::Integer { min } => {
                number.fract() == 0.0 && (f64::from(min)..=f64::from(u32::MAX)).contains(&number)
            }
            Self::Choice(_) | Self::Flag => false,
        }
    }
}

/// The values that a field of type `T` may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range<T> {
    pub(super) kind: Kind,
    field: PhantomData<T>,
}

impl<T> Range<T> {
    const fn new(kind: Kind) -> Self {
        Self { kind, field: PhantomData }
    }
}

/// A number from `min` to `max`, both included.
pub(super) const fn within(min: f64, max: f64) -> Range<f64> {
    Range::new(Kind::Number { min, max })
}

/// A finite number above `min`.
pub(super) const fn above(min: f64) -> Range<f64> {
    Range::new(Kind::Above { min })
}

/// An integer from `min` to [`u32::MAX`].
pub(super) const fn integer(min: u32) -> Range<usize> {
    Range::new(Kind::Integer { min })
}

/// `true` or `false`.
pub(super) const fn flag() -> Range<bool> {
    Range::new(Kind::Flag)
}

/// One of a type's words.
pub(super) const fn choice<T: Choice>() -> Range<T> {
    Range::new(Kind::Choice(T::WORDS))
}

/// A type of hyper-parameter.
pub(super) trait Field: Copy {
    /// The value as grids and records have it.
    fn value(self) -> Value;

    /// Reads a value; `None` where the range has no such one.
    fn read(range: Range<Self>, value: &Value) -> Option<Self>;
}

impl Field for f64 {
    fn value(self) -> Value {
        Value::Number(self)
    }

    fn read(range: Range<Self>, value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) if range.kind.holds(*number) => Some(*number),
            Value::Number(_) | Value::Text(_) | Value::Flag(_) => None,
        }
    }
}

impl Field for usize {
    fn value(self) -> Value {
        Value::Number(self as f64)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is of u32")]
    fn read(range: Range<Self>, value: &Value) -> Option<Self> {
        f64::read(Range::new(range.kind), value).map(|number| number as Self)
    }
}

impl Field for bool {
    fn value(self) -> Value {
        Value::Flag(self)
    }

    fn read(_: Range<Self>, value: &Value) -> Option<Self> {
        match value {
            Value::Flag(flag) => Some(*flag),
            Value::Number(_) | Value::Text(_) => None,
        }
    }
}

/// A few words, each a value of a type.
pub(super) trait Choice: Copy + 'static {
    /// The words.
    const WORDS: &'static [&'static str];

    /// The value's word.
    fn word(self) -> &'static str;

    /// The word's value.
    fn find(word: &str) -> Option<Self>;
}

impl<T: Choice> Field for T {
    fn value(self) -> Value {
        Value::Text(self.word().into())
    }

    fn read(_: Range<Self>, value: &Value) -> Option<Self> {
        match value {
            Value::Text(word) => Self::find(word),
            Value::Number(_) | Value::Flag(_) => None,
        }
    }
}

/// Gives each variant of an enum its word in grids and records.
macro_rules! choices {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $crate::methods::range::Choice for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            fn find(word: &str) -> Option<Self> {
                [$(($word, Self::$variant)),+].into_iter().find_map(|(own, value)| (own == word).then_some(value))
            }
        }
    };
}
pub(super) use choices;
