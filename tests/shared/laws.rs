//! What holds for every cache.

use cache::synthetic::SyntheticCache;
use cache::{ClassId, Dtype, FeatureCache, Manifest, ShardWriter, Split, View};
use half::{bf16, f16};
use proptest::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn any_dtype() -> impl Strategy<Value = Dtype> {
    prop_oneof![Just(Dtype::F32), Just(Dtype::F16), Just(Dtype::Bf16)]
}

/// A number as a format keeps it.
fn rounded(number: f32, dtype: Dtype) -> f32 {
    match dtype {
        Dtype::F32 => number,
        Dtype::F16 => f16::from_f32(number).to_f32(),
        Dtype::Bf16 => bf16::from_f32(number).to_f32(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_read_in_any_order(
        dtype in any_dtype(),
        counts in proptest::collection::vec(1_u64..120, 1..6),
        dim in 1_usize..20,
        seed in 0_u64..1000,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, dtype| {
            let path = folder.path().join(name);
            SyntheticCache { class_counts: counts.clone(), dim, dtype, seed, ..SyntheticCache::default() }.write(&path).unwrap();
            FeatureCache::open(&path).unwrap()
        };
        let (exact, stored) = (write("exact", Dtype::F32), write("stored", dtype));
        prop_assert_eq!(exact.labels(Split::Train), stored.labels(Split::Train));
        let n = exact.labels(Split::Train).len();
        let read = |cache: &FeatureCache| {
            let mut rows = vec![0.0; n * dim];
            cache.view(Split::Train, View::Clean).unwrap().read_rows(0..n, &mut rows).unwrap();
            rows
        };
        let (exact, rows) = (read(&exact), read(&stored));
        for (&exact, &row) in exact.iter().zip(&rows) {
            prop_assert_eq!(rounded(exact, dtype), row);
        }
        // Shards of 100 rows: the order crosses their borders.
        let order = longtail::random::permutation(&mut longtail::random::stream(seed, "order", 0), n);
        let mut gathered = vec![0.0; n * dim];
        stored.view(Split::Train, View::Clean).unwrap().gather(&order, &mut gathered).unwrap();
        for (&index, row) in order.iter().zip(gathered.chunks(dim)) {
            let index = index as usize;
            prop_assert_eq!(row, &rows[index * dim..(index + 1) * dim]);
        }
    }

    /// Damage anywhere gives an error or a cache that can still be read, never a panic.
    #[test]
    fn no_damage_panics(file in 0_usize..3, position in 0.0_f64..1.0, byte in any::<u8>(), cut in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        SyntheticCache { class_counts: vec![4, 2], dim: 3, ..SyntheticCache::default() }.write(&path).unwrap();
        let file = path.join(["manifest.json", "train.clean/00000.safetensors", "stage1_head.safetensors"][file]);
        let mut bytes = fs::read(&file).unwrap();
        let at = ((bytes.len() - 1) as f64 * position) as usize;
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        fs::write(&file, bytes).unwrap();
        if let Ok(cache) = FeatureCache::open(&path) {
            let view = cache.view(Split::Train, View::Clean).unwrap();
            let mut rows = vec![0.0; view.rows() * view.dim()];
            view.read_rows(0..view.rows(), &mut rows).unwrap();
        }
        let _ = FeatureCache::verify(&path, |_| ());
    }
}

/// Manifests kept beside committed records, by the key that is their file's name.
fn committed() -> Vec<PathBuf> {
    let (mut found, mut folders) =
        (Vec::new(), vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") && name.len() == 64 {
                found.push(path);
            }
        }
    }
    found
}

/// What version 1 says in sentences is read as structures, and neither reading nor writing it again changes a key.
#[test]
fn committed_caches_keep_their_keys_through_todays_manifest() {
    let (mut scaled, paths) = (0, committed());
    for path in &paths {
        let text = fs::read(path).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let manifest = Manifest::from_text(path, &text).unwrap();
        assert_eq!(manifest.cache_key(), path.file_stem().unwrap().to_str().unwrap(), "{}", path.display());
        for sentences in ["backbone", "transforms"] {
            assert_eq!(manifest.said()[sentences], said[sentences], "{sentences} of {}", path.display());
        }
        scaled += usize::from(manifest.backbone.architecture.width != 1.0);
        let again = Manifest::from_text(path, manifest.sealed().as_bytes()).unwrap();
        assert_eq!(again, manifest);
        assert_eq!(again.cache_key(), manifest.cache_key());
    }
    assert!(paths.len() >= 10 && scaled > 0, "{} manifests, {scaled} of another width", paths.len());
}

#[test]
fn features_start_at_a_multiple_of_64_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (rows, dim, dtype) in [(1, 1, Dtype::F16), (3, 7, Dtype::Bf16), (64, 512, Dtype::F32)] {
        let path = folder.path().join(format!("{rows}-{dim}"));
        let labels = vec![ClassId(0); rows];
        let ids: Vec<i64> = (0..rows as i64).collect();
        let mut shard = ShardWriter::create(&path, dtype, dim, &labels, &ids).unwrap();
        shard.push(&vec![1.0; rows * dim]).unwrap();
        shard.finish().unwrap();
        let size = fs::metadata(&path).unwrap().len() as usize;
        assert_eq!((size - rows * dim * dtype.bytes()) % 64, 0);
        // The public crate agrees with the header that this project writes by hand.
        let bytes = fs::read(&path).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.tensor("features").unwrap().shape(), [rows, dim]);
        assert_eq!(tensors.tensor("sample_ids").unwrap().shape(), [rows]);
    }
}

#[test]
fn a_shard_with_missing_or_surplus_rows_is_never_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("00000.safetensors");
    let create = || ShardWriter::create(&path, Dtype::F32, 2, &[ClassId(0); 2], &[0, 1]).unwrap();
    let mut short = create();
    short.push(&[1.0, 2.0]).unwrap();
    assert!(short.finish().is_err());
    assert!(create().push(&[0.0; 6]).is_err());
    assert!(create().push(&[0.0; 3]).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_feature_that_half_precision_cannot_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("00000.safetensors");
    let create = |dtype| ShardWriter::create(&path, dtype, 1, &[ClassId(0); 2], &[0, 1]).unwrap();
    assert!(create(Dtype::F16).push(&[1.0, 70_000.0]).unwrap_err().to_string().contains("row 1"));
    assert!(create(Dtype::Bf16).push(&[1.0, 70_000.0]).is_ok());
    assert!(create(Dtype::F32).push(&[f32::NAN, 0.0]).unwrap_err().to_string().contains("row 0"));
}
