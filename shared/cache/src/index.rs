//! The index of a view in the Hugging Face convention, which follows from the manifest.

use crate::{
    error::CacheError,
    manifest::{FileInfo, Manifest, ShardInfo, ViewInfo},
    view::ViewId,
};
use files::regular;
use serde_json::{Map, Value, json};
use std::{io::ErrorKind, path::Path};

/// The index in the folder of a view.
pub(crate) const INDEX_FILE: &str = "features.safetensors.index.json";

/// The path of a view's index in the cache.
pub fn index_path(id: ViewId) -> String {
    format!("{id}/{INDEX_FILE}")
}

/// The index of a view. Tensors of several shards share their names, which that convention does not know: keys carry the
/// shard's number then, and `metadata.shards` lists files in row order.
pub(crate) fn text(view: &ViewInfo) -> String {
    let name = |shard: &ShardInfo| shard.file.file.rsplit('/').next().unwrap_or_default().to_owned();
    let weight_map: Map<String, Value> = view
        .shards
        .iter()
        .enumerate()
        .flat_map(|(index, shard)| {
            let suffix = if view.shards.len() == 1 { String::new() } else { format!(".{index:05}") };
            ["features", "labels", "sample_ids"]
                .map(|tensor| (format!("{tensor}{suffix}"), name(shard).into()))
        })
        .collect();
    let bytes = view.shards.iter().fold(0_u64, |sum, shard| sum.saturating_add(shard.file.bytes));
    let index = json!({
        "metadata": {
            "total_size": bytes,
            "rows": view.rows,
            "shards": view.shards.iter().map(name).collect::<Vec<_>>(),
        },
        "weight_map": weight_map,
    });
    format!("{index:#}\n")
}

/// The indices of all views, which follow from the manifest, as files of the cache.
pub fn indices(manifest: &Manifest) -> impl Iterator<Item = FileInfo> + '_ {
    manifest.views.iter().map(|(&id, view)| info(id, view))
}

/// The index as a file of the cache.
pub(crate) fn info(id: ViewId, view: &ViewInfo) -> FileInfo {
    let text = text(view);
    FileInfo {
        file: index_path(id),
        bytes: text.len() as u64,
        blake3: blake3::hash(text.as_bytes()).to_hex().to_string(),
    }
}

/// Whether the index of a view is there, and is what follows from the manifest.
pub(crate) fn check(cache: &Path, id: ViewId, view: &ViewInfo) -> Result<(), CacheError> {
    let (path, expected) = (cache.join(index_path(id)), text(view));
    let found = match regular::read_at_most(&path, expected.len().max(1 << 20) as u64) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(CacheError::MissingShard { path }),
        Err(source) => return Err(CacheError::io("read", &path, source)),
    };
    if found == expected.as_bytes() {
        return Ok(());
    }
    Err(CacheError::ChecksumMismatch {
        path,
        expected: info(id, view).blake3,
        got: blake3::hash(&found).to_hex().to_string(),
    })
}
