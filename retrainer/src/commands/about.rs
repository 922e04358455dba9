//! What a head file says of itself beside its kind: all that somebody needs who has the file alone.

use super::evaluate;
use crate::error::RetrainError;
use cache::{FeatureCache, Split, head::Head};
use experiment::{metrics::TOP1, records::Params};
use serde_json::json;
use std::collections::BTreeMap;

/// The run that a head is of.
pub(super) struct Named<'a> {
    pub(super) run_id: &'a str,
    pub(super) method: &'a str,
    pub(super) params: &'a Params,
}

/// The metadata of a head for the features of a cache; its test accuracies are measured as `evaluate` does.
pub(super) fn about(
    head: &Head,
    named: &Named<'_>,
    cache: &FeatureCache,
    test_time_augmentation: bool,
) -> Result<BTreeMap<String, String>, RetrainError> {
    let manifest = cache.manifest();
    let said = manifest.said();
    let mut about: BTreeMap<&str, String> = [
        ("class_names", json!(manifest.class_names).to_string()),
        ("transform", said["transforms"].to_string()),
        ("backbone", said["backbone"].to_string()),
        ("dtype", json!(manifest.dtype).to_string()),
        ("cache_key", cache.cache_key()),
        ("run_id", named.run_id.to_owned()),
        ("method", named.method.to_owned()),
        ("params", named.params.to_string()),
        ("test_time_augmentation", test_time_augmentation.to_string()),
    ]
    .into();
    let top1 = |augmented| -> Result<String, RetrainError> {
        let metrics = evaluate::measure(cache, head, Split::Test, augmented)?;
        Ok(metrics.get(TOP1.all).map_or_else(String::new, |top1| top1.to_string()))
    };
    if test_time_augmentation {
        about.insert("accuracy_with_test_time_augmentation", top1(true)?);
    }
    about.insert("accuracy_without_test_time_augmentation", top1(false)?);
    Ok(about.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
