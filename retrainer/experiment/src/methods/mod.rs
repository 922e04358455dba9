//! The methods of the field, one file each: structs of hyper-parameters that make a [`HeadSpec`](crate::spec::HeadSpec) of
//! class counts.
//!
//! A new method is one new file here, one line in `methods!` below, and a recorded reference in `fixtures/methods`; command line,
//! grid checking, the preset `everything`, the laws of neutral values, tables and docs follow.
//!
#![doc = include_str!("../../METHODS.md")]

mod declare;
mod error;
mod params;
mod range;
mod sgd;
#[cfg(test)]
mod testing;
mod value;

pub use declare::Param;
pub use error::ParamError;
pub use params::Params;
pub use range::Kind;
pub use sgd::{
    Exact, Init, Published, Reduction, SGD_PARAMS, Sampler, SamplerKind, Schedule, SgdSettings, TrainView,
};
pub use value::{Value, number};

use declare::{Build, HyperParams, OwnParams, params};
use program::names::nearest;
use sgd::published;

/// A re-training method: what it is, what it takes, what it decides.
#[derive(Debug)]
pub struct Method {
    /// Name on the command line and in records, kebab-case.
    pub name: &'static str,
    /// Other names that grids may use.
    pub aliases: &'static [&'static str],
    /// Name in papers' tables.
    pub title: &'static str,
    /// The idea in at most two sentences.
    pub idea: &'static str,
    /// What is computed, in the notation of the paper's Table 1.
    pub formula: &'static str,
    /// Authors, year, venue; equation where there is one.
    pub source: &'static str,
    /// What the method is at the neutral value of its parameter, in words.
    pub reduces_to: &'static str,
    /// The method whose loss, or whose change of the stage-1 head, this one's is where every parameter has its neutral value.
    pub neutral: Option<&'static Method>,
    /// Whether the head is trained by SGD, and so takes [`SGD_PARAMS`] too.
    pub training: Training,
    /// The method's own parameters at their defaults, and the head that they make.
    pub(crate) own: &'static dyn OwnParams,
    /// Published values of SGD parameters that differ from the common defaults.
    pub published: &'static [Published],
    /// The axes to search first, as lines of a grid file: the published setting and what lies around it.
    pub grid: &'static str,
}

/// Whether a method trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// By stochastic gradient descent.
    Sgd,
    /// Not at all: the stage-1 head is adjusted, or the head follows in closed form.
    PostHoc,
}

impl Method {
    /// The method's own parameters.
    pub fn own_params(&self) -> Vec<Param> {
        self.own.params()
    }

    /// How SGD trains it where a grid says nothing; `None` where it does not train.
    pub(crate) fn sgd_settings(&self) -> Option<SgdSettings> {
        let settings = self.published.iter().fold(SgdSettings::DEFAULT, |mut settings, published| {
            (published.set)(&mut settings);
            settings
        });
        (self.training == Training::Sgd).then_some(settings)
    }

    /// All parameters that the method takes: its own, then those of SGD where it trains, with their defaults.
    pub fn all_params(&self) -> Vec<Param> {
        let sgd = self.sgd_settings();
        self.own_params().into_iter().chain(sgd.iter().flat_map(HyperParams::params)).collect()
    }

    /// Finds a method by name or alias.
    ///
    /// # Errors
    /// [`ParamError::UnknownMethod`] with the nearest name.
    pub fn find(name: &str) -> Result<&'static Self, ParamError> {
        METHODS
            .iter()
            .find(|method| method.name == name || method.aliases.contains(&name))
            .copied()
            .ok_or_else(|| {
                let names =
                    METHODS.iter().flat_map(|method| std::iter::once(&method.name).chain(method.aliases));
                ParamError::UnknownMethod { name: name.to_owned(), suggestion: nearest(name, names.copied()) }
            })
    }
}

/// Declares each method's file and collects the list, in the order of tables.
macro_rules! methods {
    ($($file:ident)*) => {
        $(mod $file;)*
        /// Every method, in the order of tables.
        pub static METHODS: &[&Method] = &[$(&$file::METHOD),*];
    };
}

methods! {
    stage1
    ce
    cosine
    lift
    lws
    ldam
    ldam_drw
    balanced_softmax
    logit_adjusted_loss
    vs
    cdt
    seesaw
    gcl
    bcl
    re_sampling
    crt
    focal
    cb_ce
    cb_bce_softmax
    cb_bce_sigmoid
    grw
    area
    influence_balanced
    max_norm
    tau_norm
    logit_adjustment
    multiplicative_logit_adjustment
    lade
    disalign
    marc
    ncm
    gda
    ridge
    label_smoothing
    label_aware_smoothing
    lort
    custom
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::HeadSpec;
    use cache::ClassCounts;
    use std::collections::HashSet;

    #[test]
    fn names_are_kebab_case_and_unique_with_their_aliases() {
        let mut seen = HashSet::new();
        for name in METHODS.iter().flat_map(|method| std::iter::once(&method.name).chain(method.aliases)) {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
            assert!(seen.insert(name), "{name} is used twice");
        }
    }

    #[test]
    fn every_method_says_what_it_is_and_has_parameters_of_its_own_names() {
        let counts = ClassCounts::new(vec![3, 2]).unwrap();
        for method in METHODS {
            let params = Params::resolve(method, &[]).unwrap();
            assert_eq!(params.build(&counts).trained().is_some(), params.sgd().is_some(), "{}", method.name);
            for text in [method.title, method.idea, method.formula, method.source, method.reduces_to] {
                assert!(!text.is_empty(), "{}", method.name);
            }
            let params = method.all_params();
            let unique: HashSet<_> = params.iter().map(|param| param.name).collect();
            assert_eq!(unique.len(), params.len(), "{}", method.name);
            assert!(params.iter().all(|param| !param.help.is_empty()), "{}", method.name);
            assert!(method.training == Training::Sgd || method.published.is_empty(), "{}", method.name);
        }
    }

    /// Values that a method starts at are values that a grid could give.
    #[test]
    fn every_default_and_neutral_value_is_in_range() {
        for method in METHODS {
            let defaults: Vec<_> =
                method.all_params().into_iter().map(|param| (param.name, param.default)).collect();
            let params = Params::resolve(method, &defaults).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(params, Params::resolve(method, &[]).unwrap(), "{}", method.name);
            assert!(Params::neutral(method).is_ok(), "{}", method.name);
        }
    }

    /// Exactly: a method at its neutral values computes with the same numbers as the one that it reduces to.
    #[test]
    fn every_method_at_its_neutral_values_is_the_one_that_it_reduces_to() {
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        let spec = |method| Params::neutral(method).unwrap().build(&counts);
        for (method, neutral) in METHODS.iter().filter_map(|method| Some((*method, method.neutral?))) {
            match (spec(method), spec(neutral)) {
                // Kernels of other families are compared by their numbers, in the engine.
                (HeadSpec::Sgd(one), HeadSpec::Sgd(two)) if one.loss.family != two.loss.family => {}
                (HeadSpec::Sgd(one), HeadSpec::Sgd(two)) => assert_eq!(one.loss, two.loss, "{}", method.name),
                (one, two) => assert_eq!(one, two, "{}", method.name),
            }
            let own = method.own_params();
            let moved = own.iter().any(|param| param.neutral.as_ref().is_some_and(|at| *at != param.default));
            let default = Params::resolve(method, &[]).unwrap().build(&counts);
            assert_eq!(moved, default != spec(method), "{}: its neutral values change nothing", method.name);
        }
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        let Err(ParamError::UnknownMethod { suggestion, .. }) = Method::find("balanced-sofmax") else {
            panic!()
        };
        assert_eq!(suggestion, Some("balanced-softmax"));
        assert_eq!(Method::find("los").unwrap().name, "lort");
    }
}
