//! The methods of the field, one file each: pure functions from class counts and hyper-parameters to a [`HeadSpec`].
//!
//! A new method is one new file here and one line in `methods!` below; command line, grid checking, tables and docs follow.

mod params;
mod sgd;
#[cfg(test)]
mod testing;

pub use params::{Given, Kind, Param, ParamError, Params, Value, number, suggestion};
pub use sgd::{Exact, Init, Reduction, SGD_PARAMS, Sampler, Schedule, SgdSettings, TrainView};

use crate::head::HeadSpec;
use cache::ClassCounts;

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
    /// What the method is at the neutral value of its parameter.
    pub reduces_to: &'static str,
    /// Whether the head is trained by SGD, and so takes [`SGD_PARAMS`] too.
    pub training: Training,
    /// The method's own parameters.
    pub params: &'static [Param],
    /// Published values of SGD parameters that differ from the common defaults.
    pub sgd_defaults: &'static [(&'static str, Value)],
    /// The axes to search first, as lines of a grid file: the published setting and what lies around it.
    pub grid: &'static str,
    /// The head for given class counts and checked parameters.
    pub build: fn(&ClassCounts, &Params) -> HeadSpec,
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
    /// All parameters that the method takes: its own, then those of SGD where it trains, with their defaults.
    pub fn all_params(&self) -> Vec<(&'static Param, Value)> {
        let own = self.params.iter().map(|param| (param, param.default.clone()));
        let common = SGD_PARAMS.iter().filter(|_| self.training == Training::Sgd).map(|param| {
            let published = self.sgd_defaults.iter().find(|(name, _)| *name == param.name);
            (param, published.map_or_else(|| param.default.clone(), |(_, value)| value.clone()))
        });
        own.chain(common).collect()
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
                ParamError::UnknownMethod {
                    name: name.to_owned(),
                    suggestion: suggestion(name, names.copied()),
                }
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
    lws
    ldam
    ldam_drw
    balanced_softmax
    logit_adjusted_loss
    vs
    cdt
    seesaw
    re_sampling
    crt
    focal
    cb_ce
    cb_bce_softmax
    cb_bce_sigmoid
    grw
    area
    max_norm
    tau_norm
    logit_adjustment
    multiplicative_logit_adjustment
    lade
    disalign
    ncm
    ridge
    label_smoothing
    label_aware_smoothing
    lort
    custom
}

#[cfg(test)]
mod tests {
    use super::*;
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
        for method in METHODS {
            for text in [method.title, method.idea, method.formula, method.source, method.reduces_to] {
                assert!(!text.is_empty(), "{}", method.name);
            }
            let names: Vec<_> = method.all_params().iter().map(|(param, _)| param.name).collect();
            let unique: HashSet<_> = names.iter().collect();
            assert_eq!(unique.len(), names.len(), "{}", method.name);
            for (name, _) in method.sgd_defaults {
                assert!(SGD_PARAMS.iter().any(|param| param.name == *name), "{}: {name}", method.name);
            }
        }
    }

    #[test]
    fn every_default_is_in_range() {
        for method in METHODS {
            assert!(Params::resolve(method, &[]).is_ok(), "{}", method.name);
        }
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        let Err(ParamError::UnknownMethod { suggestion, .. }) = Method::find("balanced-sofmax") else {
            panic!()
        };
        assert_eq!(suggestion.as_deref(), Some("balanced-softmax"));
        assert_eq!(Method::find("los").unwrap().name, "lort");
    }
}
