//! Per-class numbers of the test split under a seal.

use crate::{
    metrics::PerClass,
    packed::{self, PackedError},
    protocol::Unseen,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{borrow::Cow, fmt};
use thiserror::Error;

/// Per-class numbers of the test split of one weight state: as they are, or packed, as a text that is base64 of a zstd frame
/// of the same JSON.
///
/// They are [`Unseen`]: a figure shows the state that a protocol selected.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedPerClass(Form);

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Packed(Box<str>),
    Plain(Box<PerClass>),
}

/// Per-class numbers that cannot be read.
#[derive(Debug, Error)]
pub enum SealedError {
    /// Not packed bytes.
    #[error(transparent)]
    Packed(#[from] PackedError),
    /// Not the JSON of per-class numbers.
    #[error("not per-class numbers: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<PerClass> for SealedPerClass {
    fn from(per_class: PerClass) -> Self {
        Self(Form::Plain(Box::new(per_class)))
    }
}

impl SealedPerClass {
    /// The same, packed to about half its size; as it is where it cannot be packed.
    #[must_use]
    pub fn packed(self) -> Self {
        let text = match &self.0 {
            Form::Packed(_) => None,
            Form::Plain(numbers) => {
                serde_json::to_vec(numbers).ok().and_then(|bytes| packed::pack(&bytes).ok())
            }
        };
        text.map_or(self, |text| Self(Form::Packed(text.into())))
    }

    /// The numbers, unpacked and still unseen.
    ///
    /// # Errors
    /// [`SealedError`] when a packed text is damaged.
    pub(crate) fn unpacked(&self) -> Result<Unseen<Cow<'_, PerClass>>, SealedError> {
        Ok(Unseen::new(match &self.0 {
            Form::Plain(numbers) => Cow::Borrowed(numbers),
            Form::Packed(text) => Cow::Owned(serde_json::from_slice(&packed::unpack(text)?)?),
        }))
    }
}

impl Serialize for SealedPerClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Packed(text) => text.serialize(serializer),
            Form::Plain(numbers) => numbers.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SealedPerClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Form;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("per-class numbers or their packed text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Form, E> {
                Ok(Form::Packed(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Form, A::Error> {
                PerClass::deserialize(MapAccessDeserializer::new(map))
                    .map(|numbers| Form::Plain(numbers.into()))
            }
        }
        deserializer.deserialize_any(Either).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::record;

    fn numbers(accuracy: f32) -> PerClass {
        PerClass { accuracy: vec![Some(accuracy), None], ..PerClass::default() }
    }

    fn read(sealed: &SealedPerClass) -> Result<PerClass, SealedError> {
        sealed.unpacked().map(|numbers| numbers.unseal().into_owned())
    }

    #[test]
    fn plain_and_packed_numbers_come_back_from_json() {
        let plain = SealedPerClass::from(numbers(0.25));
        let json = serde_json::to_string(&plain).unwrap();
        assert_eq!(json, r#"{"accuracy":[0.25,null]}"#);
        let packed = plain.clone().packed();
        let text = serde_json::to_string(&packed).unwrap();
        assert!(text.starts_with('"'), "{text}");
        assert_eq!(packed.clone().packed(), packed);
        for (sealed, json) in [(plain, json), (packed, text)] {
            assert_eq!(read(&sealed).unwrap(), numbers(0.25));
            assert_eq!(serde_json::from_str::<SealedPerClass>(&json).unwrap(), sealed);
        }
        assert!(serde_json::from_str::<SealedPerClass>("3").is_err());
    }

    #[test]
    fn a_damaged_text_is_an_error() {
        let sealed = |text: &str| SealedPerClass(Form::Packed(text.into()));
        assert!(matches!(read(&sealed("?")), Err(SealedError::Packed(_))));
        assert!(matches!(read(&sealed(&packed::pack(b"[1]").unwrap())), Err(SealedError::Json(_))));
    }

    #[test]
    fn numbers_are_found_by_epoch_and_completed_from_another_record_of_the_run() {
        let mut first = record("ce", "{}", 0, 0.5);
        first.per_class = Some(numbers(0.5).into());
        let mut second = first.clone();
        second.per_class = Some(numbers(0.125).into());
        second.per_class_at.insert(7, SealedPerClass::from(numbers(0.75)).packed());
        first.complete(second);
        let at = |epoch| first.per_class_of(epoch).map(|sealed| read(sealed).unwrap());
        assert_eq!((at(20), at(7), at(3)), (Some(numbers(0.5)), Some(numbers(0.75)), None));
    }
}
