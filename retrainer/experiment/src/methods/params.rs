//! The hyper-parameters of one head, checked and resolved.

use super::{
    Method, ParamError, Value,
    declare::{HyperParams, OwnParams, Param},
    sgd::SgdSettings,
};
use crate::spec::HeadSpec;
use cache::ClassCounts;
use program::names::nearest;
use std::{fmt, sync::Arc};

/// Parameters that came to a method when there were records of it.
const NEWER: &[(&str, &str)] = &[("ridge", "rho")];

/// Checked hyper-parameters of one head, all resolved; copies share them, since a grid has up to a million.
#[derive(Clone, Debug)]
pub struct Params(Arc<Sets>);

#[derive(Debug)]
struct Sets {
    own: Box<dyn OwnParams>,
    sgd: Option<SgdSettings>,
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.shared_with(other) || self.values() == other.values()
    }
}

/// `delta=0.98 lr=5e-4`
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.values().into_iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{name}={value}")?;
        }
        Ok(())
    }
}

impl Params {
    /// Checks given values against a method and fills in its defaults, also where a value changes nothing beside the others.
    ///
    /// # Errors
    /// [`ParamError::UnknownParam`], [`ParamError::OutOfRange`].
    pub fn resolve(method: &'static Method, given: &[(&str, Value)]) -> Result<Self, ParamError> {
        let (mut own, mut sgd) = (method.own.boxed(), method.sgd_settings());
        for (name, value) in given {
            let set = own.set(name, value).or_else(|| sgd.as_mut()?.set(name, value));
            let set = set.ok_or_else(|| ParamError::UnknownParam {
                method: method.name,
                name: (*name).to_owned(),
                suggestion: nearest(name, method.all_params().iter().map(|param| param.name)),
            })?;
            set.map_err(|(name, kind)| ParamError::OutOfRange {
                method: method.name,
                name,
                expected: kind.expected(value),
                got: value.quoted(),
            })?;
        }
        own.settle();
        Ok(Self(Arc::new(Sets { own, sgd })))
    }

    /// The method's hyper-parameters at their neutral values, where they have such; the others at their defaults.
    ///
    /// # Errors
    /// [`ParamError::OutOfRange`] where a neutral value is none of the range.
    pub fn neutral(method: &'static Method) -> Result<Self, ParamError> {
        let neutral = |param: Param| Some((param.name, param.neutral?));
        let values: Vec<_> = method.all_params().into_iter().filter_map(neutral).collect();
        Self::resolve(method, &values)
    }

    /// The head that the method makes for given class counts.
    pub fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        self.0.own.build(class_counts)
    }

    /// How SGD trains, where it does.
    pub fn sgd(&self) -> Option<&SgdSettings> {
        self.0.sgd.as_ref()
    }

    /// Whether both are copies of one.
    pub(crate) fn shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Bytes that they take, all copies together.
    pub(crate) fn bytes(&self) -> usize {
        /// The counts of copies, and what the allocator adds twice.
        const OVERHEAD: usize = 48;
        size_of_val(&*self.0.own) + size_of::<Sets>() + OVERHEAD
    }

    /// As [`Params::values`], without those that are newer than records of their method and have their neutral value: a run keeps
    /// its name.
    pub(crate) fn recorded(&self, method: &str) -> Vec<(&'static str, Value)> {
        let own = self.0.own.params();
        let unsaid = |(name, value): &(&str, Value)| {
            NEWER.contains(&(method, *name))
                && own.iter().any(|param| param.name == *name && param.neutral.as_ref() == Some(value))
        };
        self.values().into_iter().filter(|pair| !unsaid(pair)).collect()
    }

    /// All names and values, in name order.
    pub fn values(&self) -> Vec<(&'static str, Value)> {
        let params =
            self.0.own.params().into_iter().chain(self.sgd().into_iter().flat_map(HyperParams::params));
        let mut values: Vec<_> = params.map(|param| (param.name, param.default)).collect();
        values.sort_unstable_by_key(|(name, _)| *name);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(method: &str, given: &[(&str, Value)]) -> Result<Params, ParamError> {
        Params::resolve(Method::find(method).unwrap(), given)
    }

    #[test]
    fn rejects_values_out_of_range_or_of_another_kind() {
        for (name, given) in [
            ("delta", Value::Number(1.5)),
            ("delta", Value::Number(f64::NAN)),
            ("delta", Value::Text("0.9".into())),
            ("epochs", Value::Number(2.5)),
            ("init", Value::Text("stage2".into())),
            ("decay_bias", Value::Number(1.0)),
            ("lr", Value::Number(0.0)),
        ] {
            assert!(
                matches!(resolve("lort", &[(name, given)]), Err(ParamError::OutOfRange { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn values_beyond_an_end_are_told_that_end() {
        let expected =
            |name, number| resolve("ce", &[(name, Value::Number(number))]).unwrap_err().to_string();
        assert!(
            expected("batch_size", 4_294_967_296.0).ends_with("expected an integer of at most 4294967295")
        );
        assert!(expected("batch_size", 0.0).ends_with("expected an integer of at least 1"));
        assert!(expected("batch_size", f64::MAX).contains("is 1.7976931348623157e308, expected"));
        assert!(expected("lr", f64::INFINITY).ends_with("is inf, expected a finite number above 0"));
    }

    #[test]
    fn values_are_in_name_order_and_copies_share_them() {
        let params = resolve("lort", &[("delta", Value::Number(0.9))]).unwrap();
        assert!(params.values().is_sorted_by_key(|(name, _)| *name));
        assert!(params.to_string().contains("delta=0.9 epochs=20 init=stage1"), "{params}");
        assert!(params.clone().shared_with(&params) && params != resolve("lort", &[]).unwrap());
    }

    #[test]
    fn an_unknown_parameter_names_the_nearest() {
        let error = resolve("ce", &[("weight-decay", Value::Number(0.0))]).unwrap_err();
        let ParamError::UnknownParam { suggestion, .. } = error else { panic!() };
        assert_eq!(suggestion, Some("weight_decay"));
    }
}
