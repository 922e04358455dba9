//! Digests of files, and the text of JSON that digests are made of.

use crate::error::CacheError;
use files::regular;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// BLAKE3 of a file, in hexadecimal.
pub(crate) fn of_file(path: &Path) -> Result<String, CacheError> {
    let fail = |source| CacheError::io("read", path, source);
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(regular::open(path).map_err(fail)?).map_err(fail)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// JSON with sorted keys and no spaces: equal values have equal text.
pub(crate) fn canonical_json(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            let parts: Vec<String> = sorted
                .into_iter()
                .map(|(name, field)| format!("{}:{}", Value::String(name.clone()), canonical_json(field)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            let parts: Vec<String> = items.iter().map(canonical_json).collect();
            format!("[{}]", parts.join(","))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_is_independent_of_key_order() {
        let one: Value = serde_json::from_str(r#"{"b": [1, {"y": 0.1, "x": 2}], "a": "q"}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a": "q", "b": [1, {"x": 2, "y": 0.1}]}"#).unwrap();
        assert_eq!(canonical_json(&one), r#"{"a":"q","b":[1,{"x":2,"y":0.1}]}"#);
        assert_eq!(canonical_json(&one), canonical_json(&two));
    }
}
