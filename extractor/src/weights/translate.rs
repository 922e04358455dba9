//! The names of a file, translated to those of a family.

use super::{
    names::{Source, WeightNames},
    prefixes::{Plain, is_head_part, without_common_prefix},
};
use cache::head_names::{FACTORS, is_book_keeping};
use std::collections::BTreeMap;

/// What a checkpoint of `extractor train` holds beside the network.
const PROGRESS: [&str; 2] = ["momentum.", "epoch."];

/// The tensors of a file by what they are for.
#[derive(Debug, Default)]
pub(super) struct Translated {
    /// Our name → where it comes from.
    pub(super) tensors: BTreeMap<String, Source>,
    /// `weight`, `bias`, `scale` … of the head → the file's name.
    pub(super) head: BTreeMap<String, String>,
    /// Book-keeping: last part of the name → how many.
    pub(super) book_keeping: BTreeMap<String, usize>,
    /// Weights that the features do not need: name in the file.
    pub(super) unused: Vec<String>,
}

/// Two stored tensors that would be the same one of ours.
#[derive(Debug)]
pub(super) struct Clash {
    /// Their names in the file.
    pub(super) stored: [String; 2],
    /// The name that they share.
    pub(super) name: String,
}

/// Translates the names and shapes of a file; `ours` was written by `extractor train`.
pub(super) fn translate(
    shapes: BTreeMap<String, Vec<i64>>,
    names: &WeightNames,
    ours: bool,
) -> Result<Translated, Clash> {
    let mut found = Translated::default();
    let mut plain = Plain::new();
    for (stored, shape) in shapes {
        if ours && PROGRESS.iter().any(|prefix| stored.starts_with(prefix)) {
            continue;
        }
        if is_book_keeping(&stored) {
            let last = stored.rsplit('.').next().unwrap_or(&stored);
            *found.book_keeping.entry(last.to_owned()).or_insert(0) += 1;
            continue;
        }
        let name = names.plain(&stored);
        if let Some((other, _)) = plain.insert(name.clone(), (stored.clone(), shape)) {
            return Err(Clash { stored: [other, stored], name });
        }
    }
    if plain.keys().any(|name| names.in_tower(name)) {
        let (kept, others): (Plain, Plain) = plain.into_iter().partition(|(name, _)| names.in_tower(name));
        found.unused.extend(others.into_values().map(|(stored, _)| stored));
        plain = kept;
    }
    for (name, (stored, shape)) in without_common_prefix(plain, names.heads) {
        if names.is_unused(&name) {
            found.unused.push(stored);
            continue;
        }
        let (name, place) = names.ours(&name);
        found.insert(name, Source::new(stored, shape, place))?;
    }
    found.set_the_head_apart(names.heads);
    Ok(found)
}

impl Translated {
    fn insert(&mut self, name: String, source: Source) -> Result<(), Clash> {
        match self.tensors.get_mut(&name) {
            None => {
                self.tensors.insert(name, source);
                Ok(())
            }
            Some(there) => there.join(source).map_err(|(one, other)| Clash { stored: [one, other], name }),
        }
    }

    /// The head is the first stem of the list that has a weight, and the factors of its logits.
    fn set_the_head_apart(&mut self, heads: &[&str]) {
        let stem = heads.iter().copied().find(|stem| self.tensors.contains_key(&format!("{stem}.weight")));
        let part = |name: &str| {
            let part = match name.strip_prefix(stem?).and_then(|rest| rest.strip_prefix('.')) {
                Some(part) => part,
                None => Some(name).filter(|name| FACTORS.contains(name))?,
            };
            is_head_part(part).then(|| part.to_owned())
        };
        let (head, tensors): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.tensors).into_iter().partition(|(name, _)| part(name).is_some());
        self.tensors = tensors;
        self.head = head
            .into_iter()
            .filter_map(|(name, source)| Some((part(&name)?, source.stored().to_owned())))
            .collect();
    }
}
