//! `extractor import`: numbers go in and come out.

use crate::program::{Workplace, cache_files};
use half::f16;
use safetensors::{Dtype, tensor::TensorView};
use shared::{FeatureCache, Split, View};
use std::path::Path;

/// A split in memory: `[N, D]` features, `[N]` labels.
pub(crate) struct Rows {
    pub(crate) features: Vec<f32>,
    pub(crate) labels: Vec<i64>,
}

/// `rows` rows of 6 features that half precision holds exactly; labels 0, 1, 2, 0, 1, 2 …
pub(crate) fn rows(rows: u16, start: u16) -> Rows {
    let features = (0..rows * 6).map(|i| f32::from(start + i) / 8.0 - 3.0).collect();
    Rows { features, labels: (0..i64::from(rows)).map(|row| row % 3).collect() }
}

fn bytes_of<T: Copy, const N: usize>(numbers: &[T], to_bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    numbers.iter().flat_map(|&number| to_bytes(number)).collect()
}

/// A safetensors file with `features` as f32 and `labels`, and `features_flipped` and `sample_ids` where given.
pub(crate) fn safetensors(rows: &Rows, flipped: Option<&Rows>, sample_ids: Option<&[i64]>) -> Vec<u8> {
    let n = rows.labels.len();
    let matrix = |rows: &Rows| bytes_of(&rows.features, f32::to_le_bytes);
    let (features, labels) = (matrix(rows), bytes_of(&rows.labels, i64::to_le_bytes));
    let (flipped, ids) = (flipped.map(matrix), sample_ids.map(|ids| bytes_of(ids, i64::to_le_bytes)));
    let mut tensors = vec![
        ("features", TensorView::new(Dtype::F32, vec![n, 6], &features).unwrap()),
        ("labels", TensorView::new(Dtype::I64, vec![n], &labels).unwrap()),
    ];
    if let Some(bytes) = &flipped {
        tensors.push(("features_flipped", TensorView::new(Dtype::F32, vec![n, 6], bytes).unwrap()));
    }
    if let Some(bytes) = &ids {
        tensors.push(("sample_ids", TensorView::new(Dtype::I64, vec![n], bytes).unwrap()));
    }
    safetensors::serialize(tensors, None).unwrap()
}

/// A `.npy` file of version 1.
pub(crate) fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), data].concat()
}

/// `train.safetensors` of 10 rows with a flipped view, `test.safetensors` of 4 rows.
pub(crate) fn write_safetensors(place: &Workplace) {
    let ids: Vec<i64> = (0..10).map(|row| 1000 - row).collect();
    place.write("train.safetensors", safetensors(&rows(10, 0), Some(&rows(10, 7)), Some(&ids)));
    place.write("test.safetensors", safetensors(&rows(4, 100), None, None));
}

fn features(cache: &Path, split: Split, view: View) -> Vec<f32> {
    let cache = FeatureCache::open(cache).unwrap();
    let view = cache.view(split, view).unwrap();
    let mut out = vec![0.0; view.rows() * view.dim()];
    view.read_rows(0..view.rows(), &mut out).unwrap();
    out
}

#[test]
fn safetensors_come_back_unchanged() {
    let place = Workplace::new();
    write_safetensors(&place);
    place.ok("import --train train.safetensors --test test.safetensors --shard-rows 4 --out cache");
    let path = place.path("cache");
    assert_eq!(features(&path, Split::Train, View::Clean), rows(10, 0).features);
    assert_eq!(features(&path, Split::Train, View::Flipped), rows(10, 7).features);
    assert_eq!(features(&path, Split::Test, View::Clean), rows(4, 100).features);
    let cache = FeatureCache::open(&path).unwrap();
    assert_eq!(cache.manifest().dtype, shared::Dtype::F32);
    assert_eq!(cache.class_counts().counts(), [4, 3, 3]);
    assert_eq!(cache.sample_ids(Split::Train), (0..10).map(|row| 1000 - row).collect::<Vec<_>>());
    assert_eq!(cache.sample_ids(Split::Test), [0, 1, 2, 3]);
    assert!(!cache.has(Split::Test, View::Flipped) && cache.views(Split::Val).is_empty());
    assert_eq!(cache.manifest().views[&"train.clean".parse().unwrap()].shards.len(), 3);
}

#[test]
fn numpy_pairs_give_the_same_features_in_every_number_format() {
    let place = Workplace::new();
    let (train, test) = (rows(10, 0), rows(4, 100));
    let half = |rows: &Rows| bytes_of(&rows.features, |x| f16::from_f32(x).to_le_bytes());
    place.write("x.npy", npy("<f4", "(10, 6)", &bytes_of(&train.features, f32::to_le_bytes)));
    place.write("x-half.npy", npy("<f2", "(10, 6)", &half(&train)));
    place.write(
        "x-double.npy",
        npy("<f8", "(10, 6)", &bytes_of(&train.features, |x| f64::from(x).to_le_bytes())),
    );
    place.write("y.npy", npy("<i8", "(10,)", &bytes_of(&train.labels, i64::to_le_bytes)));
    let short = bytes_of(&test.labels, |label| i32::try_from(label).unwrap().to_le_bytes());
    place.write("u.npy", npy("<f2", "(4, 6)", &half(&test)));
    place.write("v.npy", npy("<i4", "(4,)", &short));
    for (file, dtype) in [("x.npy", "f32"), ("x-half.npy", "f16"), ("x-double.npy", "f32")] {
        let out = format!("cache-{file}");
        place.ok(&format!(
            "import --train-features {file} --train-labels y.npy --test-features u.npy --test-labels v.npy \
             --val-features u.npy --val-labels v.npy --val-features-flipped u.npy --out {out}"
        ));
        let path = place.path(&out);
        assert_eq!(features(&path, Split::Train, View::Clean), train.features);
        assert_eq!(features(&path, Split::Test, View::Clean), test.features);
        assert_eq!(features(&path, Split::Val, View::Flipped), test.features);
        assert_eq!(FeatureCache::open(&path).unwrap().manifest().dtype.to_string(), dtype);
    }
}

#[test]
fn a_head_comes_along_and_decides_the_number_of_classes() {
    let place = Workplace::new();
    write_safetensors(&place);
    let weight: Vec<f32> = (0_u16..4 * 6).map(f32::from).collect();
    let bytes = bytes_of(&weight, f32::to_le_bytes);
    let tensor = TensorView::new(Dtype::F32, vec![4, 6], &bytes).unwrap();
    place.write("head.safetensors", safetensors::serialize([("weight", tensor)], None).unwrap());
    place.ok("import --train train.safetensors --test test.safetensors --head head.safetensors --out cache");
    let cache = FeatureCache::open(&place.path("cache")).unwrap();
    assert_eq!(cache.class_counts().counts(), [4, 3, 3, 0]);
    let head = cache.stage1_head().unwrap();
    assert_eq!((head.weight.as_slice(), head.bias.as_slice()), (weight.as_slice(), [0.0; 4].as_slice()));
}

#[test]
fn importing_again_changes_nothing_and_other_files_are_refused() {
    let place = Workplace::new();
    write_safetensors(&place);
    let line = "import --train train.safetensors --test test.safetensors --out cache";
    place.ok(line);
    let before = crate::program::files(&place.path("cache"));
    let again = place.ok(line);
    assert!(again.stderr.contains("finished already"), "{}", again.stderr);
    assert_eq!(crate::program::files(&place.path("cache")), before);

    place.write("test.safetensors", safetensors(&rows(4, 101), None, None));
    let refused = place.run(line);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("the data set has other files"), "{}", refused.stderr);
    assert_eq!(crate::program::files(&place.path("cache")), before);
}

#[test]
fn an_unfinished_import_is_finished_with_the_same_bytes() {
    let place = Workplace::new();
    write_safetensors(&place);
    let line = "import --train train.safetensors --test test.safetensors --shard-rows 4 --out";
    place.ok(&format!("{line} whole"));
    place.ok(&format!("{line} stopped"));
    // What a kill between two shards leaves: no manifest, some shards, a temporary file.
    let manifest = std::fs::read(place.path("stopped/manifest.json")).unwrap();
    place.write("stopped/manifest.partial.json", manifest);
    std::fs::remove_file(place.path("stopped/manifest.json")).unwrap();
    std::fs::remove_file(place.path("stopped/train.clean/00001.safetensors")).unwrap();
    std::fs::remove_dir_all(place.path("stopped/test.clean")).unwrap();
    place.write("stopped/train.clean/.longtail-torn0shard00.tmp", "torn");
    place.ok(&format!("{line} stopped"));
    assert_eq!(cache_files(&place.path("stopped")), cache_files(&place.path("whole")));
}
