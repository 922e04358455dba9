//! Heads of a grid that a cache cannot train: left out together, and said in one line.

use super::{PlanError, Point};
use std::collections::BTreeMap;

/// What was left out, and why.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    heads: usize,
    /// Methods by reason.
    reasons: BTreeMap<String, Vec<&'static str>>,
    first: Option<PlanError>,
}

impl Skipped {
    /// Leaves a head out.
    pub(super) fn add(&mut self, point: &Point, error: PlanError) {
        self.heads += 1;
        let methods = self.reasons.entry(error.reason()).or_default();
        if !methods.contains(&point.method.name) {
            methods.push(point.method.name);
        }
        self.first.get_or_insert(error);
    }

    /// One line for all; an error where nothing is left of the grid.
    pub(super) fn line(self, left: usize) -> Result<Option<String>, PlanError> {
        let Some(first) = self.first else { return Ok(None) };
        if left == 0 {
            return Err(match self.reasons.get(&first.reason()) {
                Some(methods) => first.of_methods(methods.clone()),
                None => first,
            });
        }
        let reason = |(reason, methods): (String, Vec<&str>)| {
            let names: Vec<String> = methods.into_iter().map(|name| format!("`{name}`")).collect();
            format!("{} ({reason})", names.join(", "))
        };
        let reasons: Vec<String> = self.reasons.into_iter().map(reason).collect();
        let (heads, are) = if self.heads == 1 { ("head", "is") } else { ("heads", "are") };
        Ok(Some(format!("{} {heads} of the grid {are} left out: {}", self.heads, reasons.join("; "))))
    }
}
