//! A small map over the variants of an enumeration, as flat JSON keys.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use std::{fmt, marker::PhantomData};

/// What a [`Per`] has values for.
pub trait Key: Copy + PartialEq + fmt::Debug + 'static {
    /// Every key, in the order of records.
    fn all() -> impl Iterator<Item = Self>;

    /// The key in JSON.
    fn key(self) -> &'static str;
}

/// One value for each key that has one, in the order of [`Key::all`].
///
/// Unknown keys are ignored when read, so that records of a later version stay readable.
#[derive(Clone, Debug, PartialEq)]
pub struct Per<K, T>(Vec<(K, T)>);

impl<K: Key, T> Per<K, T> {
    /// The value of a key.
    pub fn get(&self, key: K) -> Option<&T> {
        self.iter().find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        self.iter_mut().find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// Sets the value of a key; the former one.
    pub fn insert(&mut self, key: K, value: T) -> Option<T> {
        match self.place(key) {
            Ok(at) => self.0.get_mut(at).map(|(_, own)| std::mem::replace(own, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Where a key is, or belongs.
    fn place(&self, key: K) -> Result<usize, usize> {
        let rank = |key: K| K::all().position(|one| one == key);
        self.0.binary_search_by_key(&rank(key), |(own, _)| rank(*own))
    }

    /// The keys that have a value, with it.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// The same, to change the values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut T)> {
        self.0.iter_mut().map(|(key, value)| (*key, value))
    }

    /// Whether no key has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each value changed.
    pub fn map<U>(&self, change: impl Fn(&T) -> U) -> Per<K, U> {
        Per(self.iter().map(|(key, value)| (key, change(value))).collect())
    }

    /// Takes the values of keys that have none here; whether there were any.
    pub fn complete(&mut self, other: Self) -> bool {
        let before = self.0.len();
        for (key, value) in other {
            if self.get(key).is_none() {
                self.insert(key, value);
            }
        }
        self.0.len() > before
    }
}

impl<K, T> Default for Per<K, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Key, T> FromIterator<(K, T)> for Per<K, T> {
    fn from_iter<I: IntoIterator<Item = (K, T)>>(values: I) -> Self {
        let mut per = Self::default();
        for (key, value) in values {
            per.insert(key, value);
        }
        per
    }
}

impl<K: Key, T, const N: usize> From<[(K, T); N]> for Per<K, T> {
    fn from(values: [(K, T); N]) -> Self {
        values.into_iter().collect()
    }
}

impl<K, T> IntoIterator for Per<K, T> {
    type Item = (K, T);
    type IntoIter = std::vec::IntoIter<(K, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Key, T: Serialize> Serialize for Per<K, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key.key(), value)))
    }
}

impl<'de, K: Key, T: Deserialize<'de>> Deserialize<'de> for Per<K, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Flat<K, T>(PhantomData<(K, T)>);
        impl<'de, K: Key, T: Deserialize<'de>> Visitor<'de> for Flat<K, T> {
            type Value = Per<K, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let keys: Vec<_> = K::all().map(Key::key).collect();
                write!(f, "a map of {}", keys.join(", "))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Per<K, T>, A::Error> {
                let mut values = Per::default();
                while let Some(Known(key)) = map.next_key()? {
                    let Some(key) = key else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    if let Some(value) = map.next_value()?
                        && values.insert(key, value).is_some()
                    {
                        return Err(A::Error::custom(format!("duplicate field `{}`", K::key(key))));
                    }
                }
                Ok(values)
            }
        }
        deserializer.deserialize_map(Flat(PhantomData))
    }
}

/// The key of a name; `None` of one that is unknown here.
struct Known<K>(Option<K>);

impl<'de, K: Key> Deserialize<'de> for Known<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name<K>(PhantomData<K>);
        impl<K: Key> Visitor<'_> for Name<K> {
            type Value = Known<K>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Known<K>, E> {
                Ok(Known(K::all().find(|key| key.key() == name)))
            }
        }
        deserializer.deserialize_identifier(Name(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PerProtocol, Protocol};

    #[test]
    fn values_stand_in_the_order_of_records_and_survive_json() {
        let per: PerProtocol<u32> = [(Protocol::Val, 3), (Protocol::Last, 1)].into();
        let json = serde_json::to_string(&per).unwrap();
        assert_eq!(json, r#"{"last":1,"val_selected":3}"#);
        assert_eq!(serde_json::from_str::<PerProtocol<u32>>(&json).unwrap(), per);
        let later = r#"{"val_selected":3,"by_oracle":{"epoch":9},"best_on_test":null,"last":1}"#;
        assert_eq!(serde_json::from_str::<PerProtocol<u32>>(later).unwrap(), per);
        let twice = serde_json::from_str::<PerProtocol<u32>>(r#"{"last":1,"last":2}"#).unwrap_err();
        assert!(twice.to_string().starts_with("duplicate field `last`"), "{twice}");
    }

    #[test]
    fn what_is_missing_is_taken_and_what_is_there_stays() {
        let mut own: PerProtocol<u32> = [(Protocol::Last, 1)].into();
        let other: PerProtocol<u32> = [(Protocol::Last, 2), (Protocol::BestOnTest, 3)].into();
        assert!(own.complete(other.clone()));
        assert_eq!(own, [(Protocol::Last, 1), (Protocol::BestOnTest, 3)].into());
        assert!(!own.complete(other));
    }
}
