//! Hyper-parameters as types: a set is a struct, a field one parameter with its range, default, neutral value and help.
//!
//! What a grid gives is checked when it is set, so that a method's function reads a struct of valid values by their names, and
//! cannot ask for one that is not there.

use super::{
    Kind, Value,
    range::{Field, Range},
};
use crate::spec::HeadSpec;
use cache::ClassCounts;
use std::fmt;

/// A hyper-parameter of a method.
#[derive(Debug)]
pub struct Param {
    /// Name in grids and records.
    pub name: &'static str,
    /// Allowed values.
    pub kind: Kind,
    /// Value where a grid says nothing.
    pub default: Value,
    /// Value at which it changes nothing, where there is one.
    pub neutral: Option<Value>,
    /// One line of help.
    pub help: &'static str,
}

/// One field of a set `T`.
pub(super) struct FieldOf<T> {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    get: fn(&T) -> Value,
    /// Whether the value was in range, and is set.
    set: fn(&mut T, &Value) -> bool,
    neutral: Option<fn() -> Value>,
}

impl<T> FieldOf<T> {
    /// A field, from what [`params!`] knows of it.
    pub(super) const fn new<F: Field>(
        name: &'static str,
        help: &'static str,
        range: Range<F>,
        get: fn(&T) -> Value,
        set: fn(&mut T, &Value) -> bool,
        neutral: Option<fn() -> Value>,
    ) -> Self {
        Self { name, help, kind: range.kind, get, set, neutral }
    }
}

/// A set of hyper-parameters; [`params!`] implements it.
pub(super) trait HyperParams: Clone + fmt::Debug + Send + Sync + 'static {
    /// All fields, in order.
    const FIELDS: &'static [FieldOf<Self>];

    /// The fields with this set's values as defaults.
    fn params(&self) -> Vec<Param> {
        let param = |field: &FieldOf<Self>| Param {
            name: field.name,
            kind: field.kind,
            default: (field.get)(self),
            neutral: field.neutral.map(|neutral| neutral()),
            help: field.help.trim_start(),
        };
        Self::FIELDS.iter().map(param).collect()
    }

    /// Sets a field; `None` where there is none of the name, the field's range where the value is out of it.
    fn set(&mut self, name: &str, value: &Value) -> Option<Result<(), (&'static str, Kind)>> {
        let field = Self::FIELDS.iter().find(|field| field.name == name)?;
        Some(if (field.set)(self, value) { Ok(()) } else { Err((field.name, field.kind)) })
    }
}

/// Declares a set of hyper-parameters: of each its help as a comment, then name, type and default, the range, and the neutral
/// value where it has one.
macro_rules! params {
    ($(#[$about:meta])* $vis:vis struct $set:ident {
        $(#[doc = $help:literal] $name:ident: $type:ty = $default:expr, $range:expr $(, neutral $neutral:expr)?;)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        $vis struct $set {
            $(#[doc = $help] $vis $name: $type,)*
        }

        impl $set {
            /// Every parameter at its default.
            $vis const DEFAULT: Self = Self { $($name: $default),* };
        }

        impl $crate::methods::declare::HyperParams for $set {
            const FIELDS: &'static [$crate::methods::declare::FieldOf<Self>] = &[$({
                use $crate::methods::range::{Field, Range};
                const RANGE: Range<$type> = $range;
                $crate::methods::declare::FieldOf::new(
                    stringify!($name),
                    $help,
                    RANGE,
                    |set| set.$name.value(),
                    |set, value| <$type>::read(RANGE, value).map(|value| set.$name = value).is_some(),
                    params!(@neutral $type $(, $neutral)?),
                )
            }),*];
        }
    };
    (@neutral $type:ty) => { None };
    (@neutral $type:ty, $neutral:expr) => { Some(|| <$type>::value($neutral)) };
}
pub(super) use params;

/// A method's own hyper-parameters, and the head that it makes with them.
pub(super) trait Build: HyperParams {
    /// The head for given class counts.
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec;

    /// The same head, with every parameter that changes nothing beside the others at its default: heads that are equal have equal
    /// parameters, and what does nothing is no axis to choose on.
    fn settled(&self) -> Self {
        self.clone()
    }
}

/// [`Build`] without its type, so that methods stand in one list.
pub(crate) trait OwnParams: fmt::Debug + Send + Sync {
    fn params(&self) -> Vec<Param>;
    fn set(&mut self, name: &str, value: &Value) -> Option<Result<(), (&'static str, Kind)>>;
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec;
    fn settle(&mut self);
    fn boxed(&self) -> Box<dyn OwnParams>;
}

impl<T: Build> OwnParams for T {
    fn params(&self) -> Vec<Param> {
        HyperParams::params(self)
    }

    fn set(&mut self, name: &str, value: &Value) -> Option<Result<(), (&'static str, Kind)>> {
        HyperParams::set(self, name, value)
    }

    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        Build::build(self, class_counts)
    }

    fn settle(&mut self) {
        *self = self.settled();
    }

    fn boxed(&self) -> Box<dyn OwnParams> {
        Box::new(self.clone())
    }
}
