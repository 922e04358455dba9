//! What lies in the folder of a cache and is not of it.

use crate::{
    index::index_path,
    manifest::{MANIFEST_FILE, Manifest},
    writer::PARTIAL_FILE,
};
use files::atomic;
use std::{collections::BTreeSet, fs, path::Path};

/// The files and folders in a cache's folder that its manifest does not list, relative to it and in order; a folder that holds
/// nothing of the cache has one name, with a slash at its end.
///
/// What a killed writer of this cache leaves is of the cache and goes with the next command. Folders that cannot be read have
/// nothing to show.
pub fn unlisted(path: &Path, manifest: &Manifest) -> Vec<String> {
    let mut listed: BTreeSet<String> = manifest.files().map(|file| file.file.clone()).collect();
    listed.extend(manifest.views.keys().map(|&id| index_path(id)));
    listed.extend([MANIFEST_FILE, PARTIAL_FILE].map(str::to_owned));
    let mut others = Vec::new();
    collect(path, "", &listed, &mut others);
    others.sort_unstable();
    others
}

fn collect(folder: &Path, prefix: &str, listed: &BTreeSet<String>, others: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if listed.contains(&name) || atomic::is_temporary(&entry.file_name()) {
            continue;
        }
        let inside = format!("{name}/");
        // A link to a folder may be where its shards are.
        if !entry.path().is_dir() {
            others.push(name);
        } else if listed.iter().any(|file| file.starts_with(&inside)) {
            collect(&entry.path(), &inside, listed, others);
        } else {
            others.push(inside);
        }
    }
}
