//! Whatever happens to the bytes of a finished cache, `verify` finds it.

use cache::synthetic::SyntheticCache;
use cache::{CacheError, FeatureCache, Split, View};
use files::Hint;
use proptest::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

fn write(path: &Path) {
    SyntheticCache {
        class_counts: vec![9, 4, 2],
        dim: 5,
        clean_shard_rows: 4,
        other_shard_rows: 6,
        ..SyntheticCache::default()
    }
    .write(path)
    .unwrap();
}

fn cache() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("cache"));
        folder
    });
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| folder.path().join("cache"))
}

/// Every file of the cache, relative to it, in name order.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![cache().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found.into_iter().map(|path| path.strip_prefix(cache()).unwrap().to_owned()).collect()
}

/// A copy of the cache that may be damaged.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files() {
        let to = folder.path().join(&file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(cache().join(file), to).unwrap();
    }
    folder
}

fn is_whole(path: &Path) -> bool {
    FeatureCache::verify(path, |_| ()).is_ok_and(|damages| damages.is_empty())
        && FeatureCache::open(path).is_ok()
}

#[derive(Clone, Copy, Debug)]
enum Harm {
    Flip,
    Cut,
    Extend,
    Delete,
    Swap,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_damage_is_found(
        harm in prop_oneof![Just(Harm::Flip), Just(Harm::Cut), Just(Harm::Extend), Just(Harm::Delete), Just(Harm::Swap)],
        file in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        position in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let (copy, files) = (copy(), files());
        let path = copy.path().join(file.get(&files));
        let mut bytes = fs::read(&path).unwrap();
        let at = position.index(bytes.len());
        match harm {
            Harm::Flip => bytes[at] ^= 1 << bit,
            Harm::Cut => bytes.truncate(at),
            Harm::Extend => bytes.extend(vec![bit * 16; at + 1]),
            Harm::Delete => fs::remove_file(&path).unwrap(),
            Harm::Swap => {
                let partner = copy.path().join(other.get(&files));
                let theirs = fs::read(&partner).unwrap();
                prop_assume!(theirs != bytes);
                fs::write(partner, &bytes).unwrap();
                bytes = theirs;
            }
        }
        if !matches!(harm, Harm::Delete) {
            fs::write(&path, bytes).unwrap();
        }
        prop_assert!(!is_whole(copy.path()), "{harm:?} of {}", file.get(&files).display());
    }
}

#[test]
fn an_undamaged_copy_is_whole() {
    assert!(is_whole(copy().path()));
}

/// The one file that no other file has the digest of.
#[test]
fn every_bit_of_the_manifest_counts() {
    let copy = copy();
    let path = copy.path().join("manifest.json");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, bytes).unwrap();
        assert!(FeatureCache::open(copy.path()).is_err(), "byte {at} of the manifest");
    }
}

/// A plausible edit is refused with the reason, and named by `verify` beside other damage; the cache key is none of it.
#[test]
fn a_manifest_edited_by_hand_is_refused() {
    let copy = copy();
    let path = copy.path().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let key = FeatureCache::open(copy.path()).unwrap().cache_key();
    fs::write(&path, text.replace("\"synthetic\"", "\"cifar100\"")).unwrap();
    let error = FeatureCache::open(copy.path()).unwrap_err();
    assert!(matches!(error, CacheError::ManifestChanged { .. }), "{error}");
    assert!(error.hint().unwrap().contains("not edited by hand"));
    fs::remove_file(copy.path().join("train.clean/00001.safetensors")).unwrap();
    let damages = FeatureCache::verify(copy.path(), |_| ()).unwrap();
    let named: Vec<&str> = damages.iter().map(|damage| damage.file.file.as_str()).collect();
    assert_eq!(named, ["manifest.json", "train.clean/00001.safetensors"]);
    // Nor is a dump continued on such a one.
    assert!(matches!(cache::Dump::resume(copy.path()), Err(CacheError::ManifestChanged { .. })));
    fs::write(&path, text).unwrap();
    assert_eq!(FeatureCache::open(cache()).unwrap().cache_key(), key);
}

/// Manifests of earlier versions carry no digest, and are read; what they do not know is found all the same.
#[test]
fn a_manifest_without_digest_is_read_and_its_unknown_keys_are_found() {
    let copy = copy();
    let path = copy.path().join("manifest.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(value.as_object_mut().unwrap().remove("manifest_blake3").is_some());
    fs::write(&path, format!("{value:#}\n")).unwrap();
    let (old, new) = (FeatureCache::open(copy.path()).unwrap(), FeatureCache::open(cache()).unwrap());
    assert_eq!((old.is_sealed(), new.is_sealed()), (false, true));
    assert_eq!(old.cache_key(), new.cache_key());
    assert!(is_whole(copy.path()));
    for place in [
        "",
        "/dataset",
        "/backbone",
        "/program",
        "/views/train.clean",
        "/views/train.clean/shards/0",
        "/stage1_head",
    ] {
        let mut edited = value.clone();
        edited.pointer_mut(place).unwrap()["lose"] = "ce".into();
        fs::write(&path, edited.to_string()).unwrap();
        let error = FeatureCache::open(copy.path()).unwrap_err().to_string();
        assert!(error.contains("lose"), "{place}: {error}");
    }
}

/// A file that is written to while the cache is open would make wrong records under a right key.
#[test]
fn a_cache_that_changes_in_use_is_noticed() {
    let copy = copy();
    let cache = FeatureCache::open(copy.path()).unwrap();
    assert_eq!(cache.first_change(), None);
    let shard = copy.path().join("train.clean/00000.safetensors");
    let before = fs::metadata(&shard).unwrap().modified().unwrap();
    let file = fs::OpenOptions::new().write(true).open(&shard).unwrap();
    file.set_modified(before + std::time::Duration::from_secs(1)).unwrap();
    assert_eq!(cache.first_change(), Some(shard.as_path()));
    file.set_modified(before).unwrap();
    assert_eq!(cache.first_change(), None);
    fs::remove_file(&shard).unwrap();
    assert_eq!(cache.first_change(), Some(shard.as_path()));
}

/// What a sweep asks before it records anything: a change that left the size as it was is found by its time.
#[test]
fn a_file_written_to_after_the_manifest_is_compared_with_its_checksum() {
    let copy = copy();
    let manifest = fs::File::options().write(true).open(copy.path().join("manifest.json")).unwrap();
    manifest.set_modified(std::time::SystemTime::now()).unwrap();
    let check = || FeatureCache::open(copy.path()).unwrap().check_written_since();
    let shard = copy.path().join("test.clean/00000.safetensors");
    let whole = fs::read(&shard).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    let write = |bytes: &[u8], seconds: u64| {
        fs::write(&shard, bytes).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
        fs::File::options().write(true).open(&shard).unwrap().set_modified(later).unwrap();
    };
    check().unwrap();
    write(&changed, 5);
    assert!(matches!(check(), Err(CacheError::ChecksumMismatch { .. })));
    write(&whole, 5);
    check().unwrap();
}

/// Opening must not wait for a writer that never comes.
#[test]
fn a_pipe_in_the_place_of_a_file_is_refused() {
    for file in ["train.clean/00000.safetensors", "manifest.json", "stage1_head.safetensors"] {
        let copy = copy();
        let path = copy.path().join(file);
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = FeatureCache::open(copy.path()).unwrap_err();
        assert!(files::error::render(&error, error.hint()).contains("a pipe"), "{error:?}");
        assert!(!is_whole(copy.path()));
    }
}

/// A cache whose file is cut while it is mapped ends the process, in words.
#[test]
fn a_file_cut_short_under_its_map_is_explained() {
    if let Some(path) = std::env::var_os("CUT_UNDER_MAP") {
        let path = PathBuf::from(path);
        let cache = FeatureCache::open(&path).unwrap();
        let shard = path.join("train.clean/00000.safetensors");
        fs::OpenOptions::new().write(true).open(shard).unwrap().set_len(0).unwrap();
        let mut row = vec![0.0; cache.dim()];
        cache.view(Split::Train, View::Clean).unwrap().read_rows(0..1, &mut row).unwrap();
        unreachable!("the page is gone");
    }
    let copy = copy();
    let this = std::env::current_exe().unwrap();
    let run = std::process::Command::new(this)
        .args(["--exact", "damage::a_file_cut_short_under_its_map_is_explained", "--nocapture"])
        .env("CUT_UNDER_MAP", copy.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("cut short while it was in use"), "{stderr}");
}
