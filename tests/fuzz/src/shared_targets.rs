//! What the feature cache reads: caches, their manifests, heads.

use super::parts::{Folder, Target};
use ::cache::{FeatureCache, Split, Stage1Head, View};
use std::{io, path::Path};

/// The targets of this file.
pub const TARGETS: &[Target] = &[("cache", cache), ("manifest", manifest), ("stage1_head", stage1_head)];

const FILES: [&str; 7] = [
    "manifest.json",
    "stage1_head.safetensors",
    "train.clean/00000.safetensors",
    "train.flipped/00000.safetensors",
    "test.clean/00000.safetensors",
    "test.flipped/00000.safetensors",
    "val.clean/00000.safetensors",
];

/// The cache of `fixtures/caches/tiny`, without its manifest.
const TINY: [(&str, &[u8]); 5] = [
    (FILES[1], include_bytes!("../../../fixtures/caches/tiny/stage1_head.safetensors")),
    (FILES[2], include_bytes!("../../../fixtures/caches/tiny/train.clean/00000.safetensors")),
    (FILES[3], include_bytes!("../../../fixtures/caches/tiny/train.flipped/00000.safetensors")),
    (FILES[4], include_bytes!("../../../fixtures/caches/tiny/test.clean/00000.safetensors")),
    (FILES[5], include_bytes!("../../../fixtures/caches/tiny/test.flipped/00000.safetensors")),
];

/// A whole cache: manifest, head and shards, in parts.
pub fn cache(bytes: &[u8]) -> bool {
    Folder::of_parts(bytes, &FILES).is_ok_and(|folder| use_cache(folder.path()))
}

/// A manifest over the files of a sound cache.
pub fn manifest(bytes: &[u8]) -> bool {
    let folder = || {
        let folder = Folder::new()?;
        for (name, content) in TINY {
            folder.write(name, content)?;
        }
        folder.write(FILES[0], bytes)?;
        Ok::<_, io::Error>(folder)
    };
    folder().is_ok_and(|folder| use_cache(folder.path()))
}

/// A head file after two bytes that say for how many features, and for how many classes or any; what is accepted comes back from its
/// own encoding.
pub fn stage1_head(bytes: &[u8]) -> bool {
    let Some((&[dim, classes], bytes)) = bytes.split_first_chunk() else { return false };
    let (dim, classes) = (usize::from(dim), Some(usize::from(classes)).filter(|&classes| classes > 0));
    let Ok(folder) = Folder::new() else { return false };
    let Ok(path) = folder.write("head.safetensors", bytes) else { return false };
    let Ok((head, _)) = Stage1Head::read(&path, dim, classes) else { return false };
    assert_eq!((head.dim, head.weight.len(), head.bias.len()), (dim, head.classes * dim, head.classes));
    let again = folder.join("again.safetensors");
    let read = head.write(&again).and_then(|()| Stage1Head::read(&again, dim, Some(head.classes)));
    assert!(
        read.is_ok_and(|(again, _)| again == head),
        "a head that was accepted does not come back from its encoding"
    );
    true
}

/// Opens a cache and reads everything in it, as a sweep does.
pub fn use_cache(path: &Path) -> bool {
    let _ = FeatureCache::verify(path, |_| ());
    let Ok(cache) = FeatureCache::open(path) else { return false };
    let _ = (cache.cache_key(), cache.stage1_head().is_some());
    for split in Split::ALL {
        assert_eq!(cache.labels(split).len(), cache.sample_ids(split).len());
        for view in cache.views(split) {
            read_view(&cache, split, view);
        }
    }
    true
}

fn read_view(cache: &FeatureCache, split: Split, view: View) {
    let Ok(features) = cache.view(split, view) else { return };
    let rows = features.rows();
    assert_eq!(rows, cache.labels(split).len());
    let mut numbers = vec![0.0; rows.saturating_mul(features.dim())];
    let read = features.read_rows(0..rows, &mut numbers);
    let order: Vec<u32> = (0..u32::try_from(rows).unwrap_or(0)).rev().collect();
    let gathered = features.gather(&order, &mut numbers);
    let finite = features.check_finite();
    assert!(read.is_ok() && gathered.is_ok(), "an open view cannot be read");
    assert_eq!(finite.is_ok(), numbers.iter().all(|number| number.is_finite()));
}
