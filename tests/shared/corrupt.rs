//! One damaged cache for each way in which a cache can be wrong, kept under `fixtures/caches`.
//!
//! The fixtures are what `damages` makes from the tiny cache; `UPDATE_FIXTURES=1 cargo test -p cache` writes them again.
//! That they are equal byte by byte is a test too: it holds the format still.

use cache::synthetic::SyntheticCache;
use cache::{Dtype, FeatureCache};
use files::Hint;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/caches")
}

/// The files of a folder by relative path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    if folder.exists() {
        walk(folder, folder, &mut found);
    }
    found
}

fn tiny(path: &Path) {
    SyntheticCache {
        class_counts: vec![4, 2],
        val_per_class: 0,
        test_per_class: 1,
        dim: 3,
        dtype: Dtype::F16,
        ..SyntheticCache::default()
    }
    .write(path)
    .unwrap();
    edit_manifest(path, |manifest| manifest["created_unix"] = json!(0));
}

fn edit_manifest(cache: &Path, edit: impl FnOnce(&mut Value)) {
    let path = cache.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    // As an earlier version wrote it: without the digest that finds every edit.
    manifest.as_object_mut().unwrap().remove("manifest_blake3");
    edit(&mut manifest);
    fs::write(&path, format!("{manifest:#}\n")).unwrap();
}

fn edit_file(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    edit(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Replaces text by other text of the same length.
fn replace(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
}

type Damage = (&'static str, fn(&Path));

const CLEAN: &str = "train.clean/00000.safetensors";

/// Every damage, by the name of its fixture.
const DAMAGES: &[Damage] = &[
    ("missing-manifest", |cache| fs::remove_file(cache.join("manifest.json")).unwrap()),
    ("unfinished-dump", |cache| {
        fs::rename(cache.join("manifest.json"), cache.join("manifest.partial.json")).unwrap()
    }),
    ("wrong-version", |cache| edit_manifest(cache, |manifest| manifest["format_version"] = json!(3))),
    ("manifest-is-no-json", |cache| edit_file(&cache.join("manifest.json"), |bytes| bytes.truncate(100))),
    ("manifest-lacks-a-field", |cache| {
        edit_manifest(cache, |manifest| drop(manifest.as_object_mut().unwrap().remove("dtype")));
    }),
    ("manifest-path-leaves-the-cache", |cache| {
        edit_manifest(cache, |manifest| {
            manifest["views"]["train.clean"]["shards"][0]["file"] = json!("../outside")
        });
    }),
    ("manifest-rows-overflow", |cache| {
        edit_manifest(cache, |manifest| {
            manifest["views"]["train.clean"]["rows"] = json!(u64::MAX);
            manifest["views"]["train.clean"]["shards"][0]["rows"] = json!(u64::MAX);
        });
    }),
    ("no-class-samples", |cache| {
        edit_manifest(cache, |manifest| manifest["train_class_counts"] = json!([0, 0]))
    }),
    ("missing-shard", |cache| fs::remove_file(cache.join(CLEAN)).unwrap()),
    ("truncated-shard", |cache| edit_file(&cache.join(CLEAN), |bytes| bytes.truncate(bytes.len() - 2))),
    ("header-lies-about-sizes", |cache| {
        edit_file(&cache.join(CLEAN), |bytes| replace(bytes, "[96,132]", "[96,998]"));
    }),
    ("header-is-no-json", |cache| edit_file(&cache.join(CLEAN), |bytes| bytes[8..12].fill(b'#'))),
    ("header-length-overflows", |cache| edit_file(&cache.join(CLEAN), |bytes| bytes[..8].fill(0xff))),
    ("shape-overflows", |cache| {
        edit_manifest(cache, |manifest| manifest["feature_dim"] = json!(usize::MAX));
    }),
    ("tensor-missing", |cache| {
        edit_file(&cache.join(CLEAN), |bytes| replace(bytes, "sample_ids", "simple_ids"))
    }),
    ("dtype-mismatch", |cache| edit_manifest(cache, |manifest| manifest["dtype"] = json!("bf16"))),
    ("label-out-of-range", |cache| {
        edit_file(&cache.join(CLEAN), |bytes| {
            let start = bytes.len() - 132;
            bytes[start..start + 8].copy_from_slice(&7_i64.to_le_bytes());
        });
    }),
    ("view-rows-disagree", |cache| {
        edit_file(&cache.join("train.flipped/00000.safetensors"), |bytes| {
            let start = bytes.len() - 132 + 48;
            bytes[start..start + 8].copy_from_slice(&5_i64.to_le_bytes());
        });
    }),
    ("class-counts-disagree", |cache| {
        edit_manifest(cache, |manifest| manifest["train_class_counts"] = json!([3, 3]));
    }),
    ("head-of-other-size", |cache| {
        let head = cache::Stage1Head {
            classes: 1,
            dim: 3,
            weight: vec![0.0; 3],
            bias: vec![0.0],
            kind: cache::HeadKind::Linear,
        };
        let path = cache.join("stage1_head.safetensors");
        head.write(&path).unwrap();
        let bytes = fs::metadata(&path).unwrap().len();
        edit_manifest(cache, |manifest| manifest["stage1_head"]["bytes"] = json!(bytes));
    }),
    // Opens, and is found by its checksum.
    ("checksum-mismatch", |cache| edit_file(&cache.join(CLEAN), |bytes| *bytes.last_mut().unwrap() ^= 1)),
    // Opens, and is found when its numbers are looked at.
    ("feature-is-not-finite", |cache| {
        edit_file(&cache.join(CLEAN), |bytes| {
            let end = bytes.len();
            bytes[end - 2..].copy_from_slice(&0x7e00_u16.to_le_bytes());
        });
    }),
];

#[test]
fn fixtures_are_what_the_code_makes_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    for (name, damage) in [("tiny", (|_| ()) as fn(&Path))].iter().chain(DAMAGES) {
        let made = folder.path().join(name);
        tiny(&made);
        damage(&made);
        let kept = fixtures().join(name);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            let _ = fs::remove_dir_all(&kept);
            for (file, bytes) in files(&made) {
                let path = kept.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
        assert!(files(&made) == files(&kept), "{name} differs");
    }
}

#[test]
fn every_damage_is_an_error_that_says_where_what_and_what_to_do() {
    let mut report = String::new();
    for (name, _) in DAMAGES {
        let path = fixtures().join(name);
        let error = match FeatureCache::open(&path) {
            Err(error) => error,
            Ok(cache) => {
                let views = cache::Split::ALL
                    .into_iter()
                    .flat_map(|split| cache.views(split).into_iter().map(move |view| (split, view)));
                let finite = views.map(|(split, view)| cache.view(split, view).unwrap().check_finite());
                match finite.collect::<Result<Vec<_>, _>>() {
                    Err(error) => error,
                    Ok(_) => FeatureCache::verify(&path, |_| ()).unwrap().remove(0).error,
                }
            }
        };
        let text = files::error::render(&error, error.hint()).replace(fixtures().to_str().unwrap(), "");
        report += &format!("[{name}]\n{text}\n");
    }
    insta::assert_snapshot!(report);
}

#[test]
fn the_tiny_cache_opens_and_verifies() {
    let path = fixtures().join("tiny");
    let cache = FeatureCache::open(&path).unwrap();
    assert_eq!(cache.labels(cache::Split::Train).len(), 6);
    assert!(FeatureCache::verify(&path, |_| ()).unwrap().is_empty());
    // The key is part of every run's identity: a change would orphan all records.
    insta::assert_snapshot!(cache.cache_key());
}

#[test]
fn asking_for_a_view_that_is_not_there_names_those_that_are() {
    let cache = FeatureCache::open(&fixtures().join("tiny")).unwrap();
    let error = cache.view(cache::Split::Val, cache::View::Clean).unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(fixtures().to_str().unwrap(), ""));
}
