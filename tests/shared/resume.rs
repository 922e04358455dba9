//! A dump that was stopped ends like one that was not.

use shared::synthetic::SyntheticCache;
use shared::{CacheError, CacheWriter, FeatureCache, Manifest};
use std::{fs, path::Path};

fn manifest(cache: &Path) -> Manifest {
    Manifest {
        views: Default::default(),
        stage1_head: None,
        batch_norm_statistics: None,
        ..FeatureCache::open(cache).unwrap().manifest().clone()
    }
}

#[test]
fn a_stopped_dump_goes_on_at_the_first_missing_shard() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let synthetic = SyntheticCache { class_counts: vec![150, 150], ..SyntheticCache::default() };
    synthetic.write(&whole).unwrap();
    let settings = manifest(&whole);
    let writer = CacheWriter::begin(&stopped, settings.clone()).unwrap();
    drop(writer);
    assert!(matches!(FeatureCache::open(&stopped), Err(CacheError::UnfinishedDump { .. })));
    // Some shards are there, one as a torn temporary file.
    fs::create_dir(stopped.join("train.clean")).unwrap();
    fs::copy(whole.join("train.clean/00001.safetensors"), stopped.join("train.clean/00001.safetensors"))
        .unwrap();
    fs::write(stopped.join("train.clean/.torn.tmp"), b"half a shard").unwrap();
    let modified =
        || fs::metadata(stopped.join("train.clean/00001.safetensors")).unwrap().modified().unwrap();
    let before = modified();
    synthetic.write(&stopped).unwrap();
    assert_eq!(modified(), before, "a whole shard is not written again");
    let (one, two) = (FeatureCache::open(&whole).unwrap(), FeatureCache::open(&stopped).unwrap());
    assert_eq!(one.cache_key(), two.cache_key());
    assert!(!stopped.join("train.clean/.torn.tmp").exists());
    assert!(!stopped.join("manifest.partial.json").exists());
}

#[test]
fn another_dump_in_the_same_folder_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    SyntheticCache::default().write(&path).unwrap();
    let settings = manifest(&path);
    assert!(CacheWriter::begin(&path, settings.clone()).unwrap().is_finished());
    let mut other = settings;
    other.dataset.seed = Some(7);
    let Err(CacheError::OtherDump { difference, .. }) = CacheWriter::begin(&path, other) else { panic!() };
    insta::assert_snapshot!(difference, @"`dataset.seed` is 0 there, 7 here");
}

#[test]
fn a_folder_with_foreign_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    SyntheticCache::default().write(&path).unwrap();
    let settings = manifest(&path);
    fs::write(folder.path().join("thesis.tex"), b"do not touch").unwrap();
    assert!(matches!(CacheWriter::begin(folder.path(), settings), Err(CacheError::NotEmpty { .. })));
}

#[test]
fn the_cache_key_is_of_what_decides_the_bytes_not_of_paths_and_times() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, seed| {
        let path = folder.path().join(name);
        SyntheticCache { seed, ..SyntheticCache::default() }.write(&path).unwrap();
        FeatureCache::open(&path).unwrap().manifest().clone()
    };
    let (one, same, other) = (write("one", 0), write("same", 0), write("other", 1));
    let later = Manifest { created_unix: one.created_unix + 1000, ..same };
    assert_eq!(one.cache_key(), later.cache_key());
    assert_ne!(one.cache_key(), other.cache_key());
}
