//! Revisions: methods whose name and parameters once gave another result than they do today.
//!
//! A change of arithmetic is one line of [`CHANGES`]. The runs that it touches carry their revision as a parameter, so that
//! they have ids of their own and are no seeds of older ones; a reader shows the older ones under a name of their own. A
//! change of a default needs no line: records hold every value.

use super::params::Params;
use crate::spec::first_weighted_epoch;

/// The parameter that says how often the arithmetic behind a run had changed, where it had.
pub const REVISION: &str = "revision";

/// A change after which some runs have another result.
struct Change {
    /// What was before, and what is now.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reader of this list"))]
    about: &'static str,
    /// Whether it touches the runs of a method with these parameters.
    touches: fn(&str, &Params) -> bool,
}

/// All changes so far.
const CHANGES: &[Change] = &[
    Change {
        about: "`area`: areas of whole classes, at most n_k; now sums over mini-batches, as published",
        touches: |method, _| method == "area",
    },
    Change {
        about: "`ncm` by l2: logits without |f|²/2; now minus half the squared distance, as documented",
        touches: |method, params| method == "ncm" && text(params, "distance") == Some("l2"),
    },
    Change {
        about: "class-aware cycles began anew each epoch; now they go on, as published",
        touches: |_, params| {
            text(params, "sampler") == Some("class-aware") && number(params, "epochs") != Some(1.0)
        },
    },
    Change {
        about: "deferred class weights began an epoch early where the product of fraction and epochs was rounded down",
        touches: |_, params| {
            let start = number(params, "drw_start").or_else(|| number(params, "weight_from"));
            start.zip(number(params, "epochs")).is_some_and(|(fraction, epochs)| {
                (fraction * epochs).floor() != first_weighted_epoch(fraction, epochs)
            })
        },
    },
];

/// The revision of today's arithmetic for a method with these parameters, from 1.
pub fn revision(method: &str, params: &Params) -> u32 {
    CHANGES.iter().map(|change| u32::from((change.touches)(method, params))).sum::<u32>() + 1
}

/// The revision that made a run.
pub fn recorded(params: &Params) -> u32 {
    params.get(REVISION).and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(1)
}

/// The parameters with today's revision, where it is not the first.
pub fn revised(method: &str, params: Params) -> Params {
    match revision(method, &params) {
        1 => params,
        now => params.with(REVISION, now.into()),
    }
}

/// The name under which a run is shown: the method's, or, of one that today's arithmetic would not give, with its revision.
pub(super) fn label(method: &str, params: &Params) -> String {
    let made = recorded(params);
    if made == revision(method, params) { method.to_owned() } else { format!("{method} (revision {made})") }
}

fn text<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.get(name)?.as_str()
}

fn number(params: &Params, name: &str) -> Option<f64> {
    params.get(name)?.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(json: &str) -> Params {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_change_touches_the_runs_that_it_names_and_no_others() {
        for (method, json, expected) in [
            ("ce", r#"{"sampler":"instance-balanced","epochs":20.0}"#, 1),
            ("ce", r#"{"sampler":"power","epochs":20.0}"#, 1),
            ("lws", r#"{"sampler":"class-aware","epochs":20.0}"#, 2),
            ("lws", r#"{"sampler":"class-aware","epochs":1.0}"#, 1),
            ("area", r#"{"sampler":"instance-balanced","epochs":20.0}"#, 2),
            ("area", r#"{"sampler":"class-aware","epochs":20.0}"#, 3),
            ("ncm", r#"{"distance":"l2"}"#, 2),
            ("ncm", r#"{"distance":"cl2n"}"#, 1),
            ("ldam-drw", r#"{"drw_start":0.8,"epochs":20.0}"#, 1),
            ("ldam-drw", r#"{"drw_start":0.29,"epochs":100.0}"#, 2),
            ("custom", r#"{"weight_from":0.29,"epochs":100.0}"#, 2),
        ] {
            assert_eq!(revision(method, &params(json)), expected, "{method} {json}");
        }
        assert!(CHANGES.iter().all(|change| change.about.contains("now") || change.about.contains("was")));
    }

    #[test]
    fn a_run_of_an_older_revision_has_a_name_of_its_own_and_todays_has_not() {
        let old = params(r#"{"distance":"l2"}"#);
        assert_eq!(label("ncm", &old), "ncm (revision 1)");
        let new = revised("ncm", old);
        assert_eq!(new.canonical(), r#"{"distance":"l2","revision":2}"#);
        assert_eq!(label("ncm", &new), "ncm");
        // Nothing changes for a method that nothing touched.
        assert_eq!(revised("ce", params("{}")), params("{}"));
        assert_eq!(label("ce", &params("{}")), "ce");
    }
}
