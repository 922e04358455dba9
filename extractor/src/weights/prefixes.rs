//! Prefixes of one network among others, and the command that chooses one.

use cache::head_names::{FACTORS, SCALES};
use files::text;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Name without wrappers → the file's name and shape.
pub(super) type Plain = BTreeMap<String, (String, Vec<i64>)>;

/// Whether the last part of a name belongs to a head: under its stem, factors of its logits beside it too.
pub(super) fn is_head_part(part: &str) -> bool {
    matches!(part, "weight" | "bias") || SCALES.contains(&part) || FACTORS.contains(&part)
}

/// The names without a prefix that all tensors but the head's share.
pub(super) fn without_common_prefix(mut all: Plain, heads: &[&str]) -> Plain {
    let in_head = |name: &str| {
        let stem = name.rsplit_once('.').map_or("", |(stem, _)| stem);
        heads.contains(&stem) || is_head_part(name)
    };
    loop {
        let mut networks = all.keys().filter(|name| !in_head(name)).map(|name| name.split_once('.'));
        let Some(Some((prefix, rest))) = networks.next() else { return all };
        let mut seconds = BTreeSet::from([rest.split('.').next()]);
        for name in networks {
            match name {
                Some((other, rest)) if other == prefix => seconds.insert(rest.split('.').next()),
                _ => return all,
            };
        }
        // A network has several layers: one second part is a layer's own name.
        if seconds.len() < 2 {
            return all;
        }
        let prefix = format!("{prefix}.");
        all = all
            .into_iter()
            .map(|(name, stored)| (name.strip_prefix(&prefix).unwrap_or(&name).to_owned(), stored))
            .collect();
    }
}

/// What a stored name has before the plain one.
pub(super) fn prefix(stored: &str, plain: &str) -> String {
    stored.strip_suffix(plain).unwrap_or(stored).to_owned()
}

/// How to keep one network of a file.
pub(super) fn choose(path: &Path, kept: &str, others: &[String]) -> String {
    let options =
        [("--strip", kept)].into_iter().chain(others.iter().map(|other| ("--drop", other.as_str())));
    let options = options.map(|(option, prefix)| format!("{option} {prefix}")).collect::<Vec<_>>().join(" ");
    format!("keep one of them, for example {}", convert(path, &options))
}

/// The converter's command line.
pub(super) fn convert(path: &Path, options: &str) -> String {
    format!("`python3 extractor/convert.py {} ONE.safetensors {options}`", text::path(path))
}
