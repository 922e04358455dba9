//! The digest that a manifest carries of itself: an edit or a flipped bit is found however plausible it looks.

use serde_json::Value;

/// The key of the digest, the last one of the file.
const KEY: &str = "manifest_blake3";

/// Characters of a digest.
const LENGTH: usize = 64;

/// What a manifest says about its own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// They are those that were written.
    Whole,
    /// Nothing: an earlier version wrote it.
    Absent,
    /// They are others.
    Broken {
        /// What it says.
        expected: String,
        /// What its bytes are.
        got: String,
    },
}

/// A manifest as it is written: readable JSON whose last value is the BLAKE3 of the whole file with that value blanked.
pub(crate) fn seal(mut manifest: Value) -> String {
    if let Value::Object(fields) = &mut manifest {
        fields.insert(KEY.to_owned(), blank().into());
    }
    let mut text = format!("{manifest:#}\n");
    let digest = blake3::hash(text.as_bytes()).to_hex();
    if let Some(at) = place(&text, &blank()) {
        text.replace_range(at..at + LENGTH, &digest);
    }
    text
}

/// Takes the digest out of a manifest that was read from `bytes`, and compares them.
pub(crate) fn examine(bytes: &[u8], manifest: &mut Value) -> Seal {
    let said = match manifest.as_object_mut().and_then(|fields| fields.shift_remove(KEY)) {
        None => return Seal::Absent,
        Some(Value::String(said)) => said,
        Some(other) => other.to_string(),
    };
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if said.len() == LENGTH
        && let Some(at) = place(&text, &said)
    {
        text.replace_range(at..at + LENGTH, &blank());
    }
    let got = blake3::hash(text.as_bytes()).to_hex().to_string();
    if said == got { Seal::Whole } else { Seal::Broken { expected: said, got } }
}

/// Where the value lies in the text. Quotes inside of strings are escaped, so nothing but a key looks like this.
fn place(text: &str, value: &str) -> Option<usize> {
    let key = format!("\"{KEY}\": \"");
    Some(text.rfind(&format!("{key}{value}\""))? + key.len())
}

fn blank() -> String {
    "0".repeat(LENGTH)
}

/// The first key of `read` that `known`, the same value as this version writes it, does not have; empty values say nothing.
pub(crate) fn unknown_key(read: &Value, known: &Value) -> Option<String> {
    match (read, known) {
        (Value::Object(read), Value::Object(known)) => {
            read.iter().find_map(|(name, value)| match known.get(name) {
                None if value.is_null() || value.as_array().is_some_and(Vec::is_empty) => None,
                None => Some(name.clone()),
                Some(known) => unknown_key(value, known).map(|inside| format!("{name}.{inside}")),
            })
        }
        (Value::Array(read), Value::Array(known)) => {
            read.iter().zip(known).find_map(|(value, known)| unknown_key(value, known))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The digest is part of the format: equal manifests are equal files in every version.
    #[test]
    fn a_sealed_manifest_is_readable_and_any_other_byte_is_found() {
        let text = seal(json!({ "format_version": 1, "name": "a \"manifest_blake3\": \"0\" b" }));
        insta::assert_snapshot!(text);
        let mut value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(examine(text.as_bytes(), &mut value), Seal::Whole);
        assert_eq!(value.as_object().unwrap().len(), 2);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let found = serde_json::from_slice::<Value>(&bytes)
                .map_or(true, |mut value| examine(&bytes, &mut value) != Seal::Whole);
            assert!(found, "byte {at}");
        }
        let longer = format!("{text} ");
        assert!(matches!(
            examine(longer.as_bytes(), &mut serde_json::from_str(&longer).unwrap()),
            Seal::Broken { .. }
        ));
        assert_eq!(examine(b"{}", &mut json!({})), Seal::Absent);
        assert!(matches!(examine(b"{}", &mut json!({ KEY: 3 })), Seal::Broken { .. }));
    }

    #[test]
    fn a_key_that_is_not_written_is_unknown_wherever_it_is() {
        let known = json!({ "a": { "b": [{ "c": 1 }] } });
        let unknown = |read: Value| unknown_key(&read, &known);
        assert_eq!(unknown(json!({ "a": { "b": [{ "c": 1, "d": 2 }] } })).as_deref(), Some("a.b.d"));
        assert_eq!(unknown(json!({ "x": 0 })).as_deref(), Some("x"));
        assert_eq!(unknown(json!({ "a": { "b": [], "gone": null, "none": [] } })), None);
    }
}
