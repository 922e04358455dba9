//! Manifests of version 1, which hold sentences where this version has structures; both as JSON.

use crate::steps::{Architecture, Steps};
use serde::Deserialize;
use serde_json::{Value, json};

/// Turns the sentences of a manifest of version 1 into structures; what is no sentence is left to be found.
pub(crate) fn read(manifest: &mut Value) {
    each(
        manifest,
        |steps| steps.as_str().map(|said| json!(Steps::read(said))),
        |network| network.as_str().map(|said| json!(Architecture::read(said))),
    );
}

/// A manifest as version 1 has it: what its key is of, and what differences are told in.
pub(crate) fn said(mut manifest: Value) -> Value {
    each(
        &mut manifest,
        |steps| Steps::deserialize(steps).ok().map(|steps| steps.to_string().into()),
        |network| Architecture::deserialize(network).ok().map(|network| network.to_string().into()),
    );
    if let Some(version) = manifest.get_mut("format_version") {
        *version = 1.into();
    }
    manifest
}

/// Puts other values in the place of the transforms and of the network, where there are any.
fn each(
    manifest: &mut Value,
    steps: impl Fn(&Value) -> Option<Value>,
    network: impl Fn(&Value) -> Option<Value>,
) {
    if let Some(Value::Object(transforms)) = manifest.get_mut("transforms") {
        transforms.values_mut().for_each(|value| *value = steps(value).unwrap_or_else(|| value.take()));
    }
    if let Some(value) = manifest.get_mut("backbone").and_then(|backbone| backbone.get_mut("architecture")) {
        *value = network(value).unwrap_or_else(|| value.take());
    }
}
