//! `extractor import`: numbers go in and come out.

use crate::program::{Workplace, cache_files};
use cache::{FeatureCache, Split, View};
use half::f16;
use safetensors::{Dtype, tensor::TensorView};
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
    assert_eq!(cache.manifest().dtype, cache::Dtype::F32);
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

/// A safetensors file with one or two tensors of f32.
fn head_file(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, numbers)| bytes_of(numbers, f32::to_le_bytes)).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn heads_as_other_programs_store_them_give_the_same_cache() {
    let place = Workplace::new();
    write_safetensors(&place);
    let weight: Vec<f32> = (0_u16..4 * 6).map(f32::from).collect();
    let columns: Vec<f32> = (0..6_u16).flat_map(|d| (0..4).map(move |c| f32::from(c * 6 + d))).collect();
    let bias = [1.0, 2.0, 3.0, 4.0];
    for (name, tensors) in [
        ("plain", [("weight", &[4, 6][..], &weight[..]), ("bias", &[4], &bias)]),
        ("named", [("module.fc.weight", &[4, 6], &weight), ("module.fc.bias", &[4], &bias)]),
        ("transposed", [("weight", &[6, 4], &columns), ("bias", &[4, 1], &bias)]),
        ("convolution", [("weight", &[4, 6, 1, 1], &weight), ("bias", &[4], &bias)]),
    ] {
        place.write(&format!("{name}.safetensors"), head_file(&tensors));
        let run = place.ok(&format!(
            "import --train train.safetensors --test test.safetensors --head {name}.safetensors --out {name}"
        ));
        assert_eq!(run.stderr.contains("was transposed"), name == "transposed", "{}", run.stderr);
        let head = FeatureCache::open(&place.path(name)).unwrap().stage1_head().cloned().unwrap();
        assert_eq!((head.weight, head.bias), (weight.clone(), bias.to_vec()), "{name}");
    }
}

#[test]
fn samples_and_class_names_that_are_there_twice_are_refused() {
    let place = Workplace::new();
    write_safetensors(&place);
    place.write("twice.safetensors", safetensors(&rows(4, 100), None, Some(&[3, 1, 2, 1])));
    insta::assert_snapshot!(place.refused("import --train train.safetensors --test twice.safetensors --out cache"), @"
    exit 2
    error: `twice.safetensors`: expected `sample_ids` that differ from row to row, got 1 in rows 1 and 3
    hint: save each sample once, or leave `sample_ids` out to number the rows
    ");
    place.write("names.txt", "ant\ncrane\ncrane\n");
    let line = "import --train train.safetensors --test test.safetensors --class-names names.txt --out cache";
    insta::assert_snapshot!(place.refused(line), @"
    exit 2
    error: `names.txt`: expected a name of its own for each class, got `crane` for the classes 1 and 2
    hint: tell them apart, as in `crane (bird)`
    ");
    assert!(!place.path("cache").exists());
}

#[test]
fn what_is_no_head_is_said_about_the_head_and_leaves_nothing() {
    let place = Workplace::new();
    write_safetensors(&place);
    let refused = |tensors: &[(&str, &[usize], &[f32])]| {
        place.write("head.safetensors", head_file(tensors));
        let line =
            "import --train train.safetensors --test test.safetensors --head head.safetensors --out cache";
        let refused = place.refused(line);
        assert!(!place.path("cache").exists() && !refused.contains("damaged"), "{refused}");
        refused
    };
    insta::assert_snapshot!(refused(&[("weight", &[6, 4], &[0.0; 24])]), @"
    exit 2
    error: `head.safetensors`: expected `weight` [C, 6], got [6, 4]
    hint: [D, C] without bias may be a linear layer or the `NormedLinear` of LDAM: save [C, D], `weight.T.contiguous()`, and for the latter the metadata `kind`: `cosine`
    ");
    insta::assert_snapshot!(refused(&[("weight", &[4, 5], &[0.0; 20])]), @"
    exit 2
    error: `head.safetensors`: expected `weight` [C, 6], got [4, 5]
    hint: the head belongs to another backbone or data set: give that of these features
    ");
    insta::assert_snapshot!(refused(&[("weight", &[4, 6], &[f32::INFINITY; 24])]), @"
    exit 2
    error: `head.safetensors`: expected finite numbers, got inf in row 0 of `weight`
    hint: its training diverged, or its numbers are too large for single precision
    ");
    insta::assert_snapshot!(refused(&[("weight", &[1 << 40, 0], &[])]), @"
    exit 2
    error: `head.safetensors`: expected `weight` [C, 6], got [1099511627776, 0]
    hint: the head belongs to another backbone or data set: give that of these features
    ");
    insta::assert_snapshot!(refused(&[("scores", &[4, 6], &[0.0; 24])]), @"
    exit 2
    error: `head.safetensors`: expected a head: `weight` [C, D] and optionally `bias` [C], got `scores`
    hint: save the last layer alone, in PyTorch: `save_file(model.fc.state_dict(), FILE)`
    ");
}

#[test]
fn a_head_in_a_cache_that_declares_more_than_its_bytes_is_an_error() {
    let place = Workplace::new();
    write_safetensors(&place);
    place.write("head.safetensors", head_file(&[("weight", &[3, 6], &[0.0; 18])]));
    place.ok("import --train train.safetensors --test test.safetensors --head head.safetensors --out cache");
    let bytes = head_file(&[("weight", &[1 << 40, 0], &[])]);
    place.write("cache/stage1_head.safetensors", &bytes);
    let text = std::fs::read_to_string(place.path("cache/manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    manifest["stage1_head"]["bytes"] = bytes.len().into();
    place.write("cache/manifest.json", manifest.to_string());
    let run = place.run("inspect cache");
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.starts_with("error: ") && run.stderr.lines().count() <= 3, "{}", run.stderr);
}

/// What NumPy and MATLAB write beside the plain format: the same cache, byte for byte of its shards.
#[test]
fn labels_and_features_of_every_layout_give_the_same_cache() {
    let place = Workplace::new();
    let (train, test) = (rows(10, 0), rows(4, 100));
    let floats = |rows: &Rows| bytes_of(&rows.features, f32::to_le_bytes);
    let by_columns = |rows: &Rows| -> Vec<u8> {
        (0..6).flat_map(|d| rows.features.iter().skip(d).step_by(6)).flat_map(|x| x.to_le_bytes()).collect()
    };
    place.write("u.npy", npy("<f4", "(4, 6)", &floats(&test)));
    place.write("v.npy", npy("<i8", "(4,)", &bytes_of(&test.labels, i64::to_le_bytes)));
    let fortran = |descr: &str, shape: &str, data: &[u8]| {
        let plain = String::from_utf8(npy(descr, shape, &[])[10..].to_vec()).unwrap();
        let header = format!("{:<117}\n", plain.trim_end().replace("False", "True"));
        [b"\x93NUMPY\x01\x00".as_slice(), &118_u16.to_le_bytes(), header.as_bytes(), data].concat()
    };
    let small =
        |rows: &Rows| rows.labels.iter().map(|&label| u8::try_from(label).unwrap()).collect::<Vec<u8>>();
    let short: Vec<u8> =
        train.labels.iter().flat_map(|&label| i16::try_from(label).unwrap().to_be_bytes()).collect();
    let wide = bytes_of(&train.labels, i64::to_le_bytes);
    let swapped = bytes_of(&train.features, f32::to_be_bytes);
    let plain = ("<f4", "(10, 6)", floats(&train), false);
    for (name, (descr, shape, data, columns_first), labels) in [
        ("plain", plain.clone(), npy("<i8", "(10,)", &wide)),
        ("u8", plain.clone(), npy("|u1", "(10,)", &small(&train))),
        ("column", plain.clone(), npy("<i8", "(10, 1)", &wide)),
        ("row", plain.clone(), npy("<u8", "(1, 10)", &wide)),
        ("big-i16", plain, npy(">i2", "(10,)", &short)),
        ("fortran", ("<f4", "(10, 6)", by_columns(&train), true), npy("<i8", "(10,)", &wide)),
        ("big", (">f4", "(10, 6)", swapped, false), npy("<i8", "(10,)", &wide)),
        ("map", ("<f4", "(10, 6, 1, 1)", floats(&train), false), npy("<i8", "(10,)", &wide)),
    ] {
        let features = if columns_first { fortran(descr, shape, &data) } else { npy(descr, shape, &data) };
        place.write(&format!("{name}-x.npy"), features);
        place.write(&format!("{name}-y.npy"), labels);
        place.ok(&format!(
            "import --train-features {name}-x.npy --train-labels {name}-y.npy --test-features u.npy \
             --test-labels v.npy --out {name}"
        ));
        let shard = |cache: &str| {
            std::fs::read(place.path(&format!("{cache}/train.clean/00000.safetensors"))).unwrap()
        };
        assert_eq!(shard(name), shard("plain"), "{name}");
    }
}

#[test]
fn labels_that_are_no_class_numbers_are_refused_and_empty_classes_are_named() {
    let place = Workplace::new();
    write_safetensors(&place);
    place.write("x.npy", npy("<f4", "(4, 6)", &bytes_of(&rows(4, 0).features, f32::to_le_bytes)));
    place.write("u.npy", npy("<f4", "(4, 6)", &bytes_of(&rows(4, 100).features, f32::to_le_bytes)));
    let run = |labels: Vec<u8>| {
        place.write("y.npy", labels);
        let _ = std::fs::remove_dir_all(place.path("cache"));
        let line = "import --train-features x.npy --train-labels y.npy --test-features u.npy --test-labels y.npy --out cache";
        let run = place.run(line);
        // Progress has a time in it.
        let said =
            run.stderr.lines().filter(|line| !line.starts_with("import: ")).collect::<Vec<_>>().join("\n");
        format!("exit {}\n{said}", run.code.unwrap())
    };
    let wide = |labels: [i64; 4]| npy("<i8", "(4,)", &bytes_of(&labels, i64::to_le_bytes));
    insta::assert_snapshot!(run(wide([1, 2, 3, 1])), @"
    exit 0
    warning: `y.npy` has no training rows of 1 of 4 classes: 0 (labels count from 0)
    wrote `cache`
    ");
    insta::assert_snapshot!(run(wide([0, 1, 255, 1])), @"
    exit 0
    warning: `y.npy` has no training rows of 253 of 256 classes: 2, 3, 4, 5, 6, 7, 8, 9 and 245 more (label 255 may mark samples without a class: leave them out)
    wrote `cache`
    ");
    insta::assert_snapshot!(run(wide([0, 2, 3, 0])), @"
    exit 0
    warning: `y.npy` has no training rows of 1 of 4 classes: 1 (number the classes without gaps, or keep them empty)
    wrote `cache`
    ");
    insta::assert_snapshot!(run(wide([0, -1, 3, 0])), @"
    exit 2
    error: `y.npy`: expected labels counted from 0, got -1 in row 1
    hint: leave out samples without a class
    ");
    insta::assert_snapshot!(run(npy("|b1", "(4,)", &[0, 1, 0, 1])), @"
    exit 2
    error: `y.npy`: expected labels [N] of whole numbers, got bool [4]
    hint: convert them, in NumPy: `labels.astype(numpy.int64).reshape(-1)`
    ");
    insta::assert_snapshot!(run(npy("<f4", "(4,)", &[0; 16])), @"
    exit 2
    error: `y.npy`: expected labels [N] of whole numbers, got f32 [4]
    hint: convert them, in NumPy: `labels.astype(numpy.int64).reshape(-1)`
    ");
    insta::assert_snapshot!(run(npy("|u1", "(4, 2)", &[1, 0, 0, 1, 1, 0, 0, 1])), @"
    exit 2
    error: `y.npy`: expected labels [N] of whole numbers, got u8 [4, 2]
    hint: one number a row; of one-hot rows, in NumPy: `labels.argmax(1)`
    ");
    insta::assert_snapshot!(run(npy("<U3", "(4,)", &[0; 48])), @"
    exit 2
    error: `y.npy`: expected an array of floating-point or whole numbers, got '<U3'
    hint: number the classes: `numpy.unique(labels, return_inverse=True)[1]`
    ");
}

#[test]
fn a_number_that_is_not_finite_is_named_by_its_file_and_the_mended_import_succeeds() {
    let place = Workplace::new();
    write_safetensors(&place);
    let line = "import --train train.safetensors --test test.safetensors --out cache";
    let mut broken = rows(4, 100);
    broken.features[9] = f32::NAN;
    place.write("test.safetensors", safetensors(&broken, None, None));
    insta::assert_snapshot!(place.refused(line), @"
    exit 2
    error: `test.safetensors`: expected numbers that are finite in f32, got NaN in row 1, column 3 of `features`
    hint: mend or leave out this sample in the file, and give the same command again
    ");
    assert!(!place.path("cache").exists());
    broken.features[9] = 1e6;
    place.write("test.safetensors", safetensors(&broken, None, None));
    insta::assert_snapshot!(place.refused(&format!("{line} --dtype f16")), @"
    exit 2
    error: `test.safetensors`: expected numbers that are finite in f16, got 1000000 in row 1, column 3 of `features`
    hint: larger numbers fit into `--dtype bf16` or `--dtype f32`
    ");
    write_safetensors(&place);
    place.ok(line);
    place.ok("verify cache");
}

#[test]
fn what_an_unfinished_import_of_other_files_left_makes_way() {
    let place = Workplace::new();
    write_safetensors(&place);
    place.write("head.safetensors", head_file(&[("weight", &[3, 6], &[1.0; 18])]));
    let line = "import --train train.safetensors --test test.safetensors --shard-rows 4 --out";
    place.ok(&format!("{line} whole"));
    place.ok(&format!("{line} cache --head head.safetensors"));
    // A kill before the end; the next one is without head, and the file of somebody else stays.
    std::fs::rename(place.path("cache/manifest.json"), place.path("cache/manifest.partial.json")).unwrap();
    place.write("cache/notes.txt", "mine");
    place.ok(&format!("{line} cache"));
    let mut files = cache_files(&place.path("cache"));
    files.retain(|(name, _)| name != "notes.txt");
    assert_eq!(files, cache_files(&place.path("whole")));
    assert!(place.path("cache/notes.txt").exists());
}

/// Rows are told apart as the cache holds them, and rows of zeros are a broken file's.
#[test]
fn rows_of_zeros_are_told_and_rounding_hides_no_training_row() {
    let place = Workplace::new();
    let exact = rows(12, 0);
    let mut half_filled = rows(12, 0);
    half_filled.features[36..].fill(0.0);
    // Nearer to the training rows than half precision has numbers.
    let mut nearly = rows(12, 0);
    nearly.features.iter_mut().for_each(|number| *number *= 1.0 + 1e-5);
    place.write("exact.safetensors", safetensors(&exact, None, None));
    place.write("half.safetensors", safetensors(&half_filled, None, None));
    place.write("nearly.safetensors", safetensors(&nearly, None, None));
    place.write("test.safetensors", safetensors(&rows(6, 300), None, None));
    let import = |train: &str, test: &str, out: &str| {
        place.run(&format!("import --train {train} --test {test} --dtype f16 --out {out}"))
    };
    let run = import("half.safetensors", "test.safetensors", "zeros");
    assert!(run.stderr.contains("5 of 12 training samples repeat other training samples"), "{}", run.stderr);
    let run = import("exact.safetensors", "nearly.safetensors", "rounded");
    assert!(run.code == Some(2) && run.stderr.contains("the same features in all 12 rows"), "{}", run.stderr);
}
