//! The run of a folder that validation chooses.

use super::say;
use crate::error::RetrainError;
use experiment::{
    methods::Method,
    protocol::Protocol,
    records::{Params, Run, RunStore},
    select::{Selected, best},
};

/// The run that the protocol chooses: of the best method and hyper-parameters by their mean over seeds the best seed.
///
/// # Errors
/// [`RetrainError::NoBest`] where there is none, or nothing to choose by.
pub(super) fn best_run<'a>(
    store: &'a RunStore,
    method: Option<&str>,
    select: Option<Protocol>,
) -> Result<&'a Run, RetrainError> {
    let wanted = |run: &&Run| method.is_none_or(|method| *run.method == *method);
    let runs: Vec<&Run> = store.runs().iter().filter(wanted).collect();
    let none = |reason: String, hint| RetrainError::NoBest { path: store.path().to_owned(), reason, hint };
    if let (true, Some(method)) = (runs.is_empty(), method) {
        return Err(none(format!("no run is of `{method}`"), "`retrainer report RUNS` lists the methods"));
    }
    let mut caches: Vec<&str> = runs.iter().map(|run| &*run.cache_key).collect();
    caches.sort_unstable();
    caches.dedup();
    if caches.len() > 1 {
        let reason = format!("its runs are of {} caches, whose results do not compare", caches.len());
        return Err(none(reason, "export one of them with `--run ID`"));
    }
    let protocol = select.unwrap_or_else(|| Protocol::default_for(&runs));
    if protocol.chooser().is_none() {
        let reason = format!("`{protocol}` chooses nothing");
        return Err(none(
            reason,
            "name a run with `--run ID`: the cache has no validation split to choose by",
        ));
    }
    let best = best(&runs, protocol)?;
    let chosen = best.as_ref().and_then(|best| Some((best, store.get(&best.best_seed()?.run_id)?)));
    let Some((best, run)) = chosen else {
        return Err(none("no head finished".to_owned(), "`retrainer report RUNS` says what became of them"));
    };
    say(&format!(
        "best by {protocol}: `{}` ({}), {} {}, seed {} of {}",
        best.method(),
        telling(best),
        protocol.val_score().name(),
        best.val().map_or("-".to_owned(), |val| format!("{val:.4}")),
        run.seed,
        best.seeds().len(),
    ));
    Ok(run)
}

/// The hyper-parameters that are not the method's defaults, and the learning rate.
fn telling(best: &Selected) -> String {
    let defaults = Method::find(best.method()).map(Method::all_params).unwrap_or_default();
    let is_default = |name: &str, value: &serde_json::Value| {
        let own = defaults.iter().find(|param| param.name == name);
        own.is_some_and(|param| serde_json::Value::from(param.default.clone()) == *value)
    };
    let told = best.params().iter().filter(|(name, value)| *name == "lr" || !is_default(name, value));
    told.map(|(name, value)| (name, value.clone())).collect::<Params>().to_string()
}
