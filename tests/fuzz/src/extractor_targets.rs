//! What `extractor` reads: weights, checkpoints, imports, data sets, pictures, archives.

use super::parts::{Folder, Target};
use ::cache::{FeatureCache, Split};
use extractor::{
    archive,
    backbones::{Compute, pretrained},
    config::Precision,
    datasets::{Broken, Dataset, Fractions, SourceFiles, subset::SubsetRule, subset::SubsetSpec},
    images,
    import::{self, Import, split::ImportedSplit},
    stage1::Checkpoint,
    weights::{Layout, TensorFile},
};
use program::interrupt::Interrupt;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use tch::Device;

/// The targets of this file.
pub const TARGETS: &[Target] = &[
    ("weights", weights),
    ("checkpoint", checkpoint),
    ("import_npy", import_npy),
    ("import_file", import_file),
    ("cifar", cifar),
    ("lists", lists),
    ("inaturalist", inaturalist),
    ("image", image),
    ("archive", archive),
];

const PLACE: Compute =
    Compute { device: Device::Cpu, precision: Precision::F32, layout: Layout::ChannelsFirst };

/// A JPEG of a few pixels, for lists that name it.
const PICTURE: &[u8] = include_bytes!("../../../fixtures/images/files/tiny.jpg");

/// A safetensors file of weights, for the smallest network that there is.
pub fn weights(bytes: &[u8]) -> bool {
    let accept = || {
        let folder = Folder::new()?;
        let path = folder.write("weights.safetensors", bytes)?;
        let Ok(file) = TensorFile::read(&path) else { return Ok(false) };
        let shapes = file.shapes().unwrap_or_default();
        let read = shapes.keys().all(|name| file.tensor(name).is_ok_and(|tensor| tensor.is_some()));
        let _ = pretrained::load(&path, "resnet32", 1.0, PLACE);
        Ok::<_, io::Error>(read)
    };
    accept().unwrap_or(false)
}

/// A checkpoint of `extractor train`.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let accept = || {
        let folder = Folder::new()?;
        let path = folder.write("checkpoint.safetensors", bytes)?;
        Ok::<_, io::Error>(Checkpoint::load(&path, |_| PLACE).is_ok())
    };
    accept().unwrap_or(false)
}

/// NumPy files of training features and labels, test features and labels, and flipped test features, in parts.
pub fn import_npy(bytes: &[u8]) -> bool {
    const FILES: [&str; 5] =
        ["train.npy", "train-labels.npy", "test.npy", "test-labels.npy", "test-flipped.npy"];
    let Ok(folder) = Folder::of_parts(bytes, &FILES) else { return false };
    let [train, train_labels, test, test_labels, flipped] = FILES.map(|name| folder.join(name));
    let flipped = flipped.exists().then_some(flipped.as_path());
    let Ok(train) = ImportedSplit::from_npy(&train, &train_labels, None) else { return false };
    let Ok(test) = ImportedSplit::from_npy(&test, &test_labels, flipped) else { return false };
    write(train, test, None, &folder)
}

/// Files of training and test features, each of any format, and of a head, in parts.
pub fn import_file(bytes: &[u8]) -> bool {
    const FILES: [&str; 3] = ["train", "test", "head.safetensors"];
    let Ok(folder) = Folder::of_parts(bytes, &FILES) else { return false };
    let [train, test, head] = FILES.map(|name| folder.join(name));
    let Ok(train) = ImportedSplit::from_file(&train) else { return false };
    let Ok(test) = ImportedSplit::from_file(&test) else { return false };
    write(train, test, head.exists().then_some(head), &folder)
}

/// What is imported must be a sound cache, or an error.
fn write(train: ImportedSplit, test: ImportedSplit, head: Option<PathBuf>, folder: &Folder) -> bool {
    let import = Import {
        splits: BTreeMap::from([(Split::Train, train), (Split::Test, test)]),
        head,
        name: "fuzz".to_owned(),
        backbone: "unknown".to_owned(),
        class_names: None,
        fractions: Fractions::default(),
        dtype: None,
        shard_rows: None,
    };
    let cache = folder.join("cache");
    if import::write(import, &cache, &Interrupt::never(), &|_| ()).is_err() {
        return false;
    }
    assert!(
        FeatureCache::verify(&cache, |_| ()).is_ok_and(|damages| damages.is_empty()),
        "a damaged cache was imported"
    );
    FeatureCache::open(&cache).expect("an imported cache opens");
    true
}

/// CIFAR's binary files, in parts: of CIFAR-10 where the first byte is odd, else of CIFAR-100.
pub fn cifar(bytes: &[u8]) -> bool {
    let Some((first, bytes)) = bytes.split_first() else { return false };
    let (name, files): (_, &[&str]) = if first & 1 == 1 {
        let batches = [
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ];
        (
            "cifar10",
            &[
                "batches.meta.txt",
                "test_batch.bin",
                batches[0],
                batches[1],
                batches[2],
                batches[3],
                batches[4],
            ],
        )
    } else {
        ("cifar100", &["fine_label_names.txt", "test.bin", "train.bin"])
    };
    let Ok(folder) = Folder::of_parts(bytes, files) else { return false };
    load(name, files_of(folder.path()), &subset(*first))
}

/// Lists and row numbers, in parts: training, validation and test list, split of a folder, row numbers.
pub fn lists(bytes: &[u8]) -> bool {
    const FILES: [&str; 5] = ["train.txt", "val.txt", "test.txt", "split.txt", "rows.txt"];
    let Some((first, bytes)) = bytes.split_first() else { return false };
    let folder = || {
        let folder = Folder::of_parts(bytes, &FILES)?;
        for name in ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"] {
            folder.write(name, PICTURE)?;
        }
        Ok::<_, io::Error>(folder)
    };
    let Ok(folder) = folder() else { return false };
    let given = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    let mut spec = subset(*first);
    let mut files = files_of(folder.path());
    let name = match first & 3 {
        0 => "folder",
        1 => "imagenet-lt",
        _ => "list",
    };
    if name == "folder" {
        files.split_file = given(FILES[3]);
    } else {
        (files.train_list, files.val_list, files.test_list) =
            (given(FILES[0]), given(FILES[1]), given(FILES[2]));
    }
    if let Some(rows) = given(FILES[4]) {
        spec = SubsetSpec { rule: SubsetRule::IndexFile, index_file: Some(rows), ..SubsetSpec::default() };
    }
    if first & 16 == 16 {
        files.broken = Broken::Skip;
    }
    load(name, files, &spec)
}

/// iNaturalist's annotations of training and test images, in parts.
pub fn inaturalist(bytes: &[u8]) -> bool {
    const FILES: [&str; 2] = ["train2018.json", "val2018.json"];
    let folder = || {
        let folder = Folder::of_parts(bytes, &FILES)?;
        for name in ["a/1.jpg", "a/2.jpg", "b/1.jpg"] {
            folder.write(name, PICTURE)?;
        }
        Ok::<_, io::Error>(folder)
    };
    folder().is_ok_and(|folder| load("inaturalist18", files_of(folder.path()), &SubsetSpec::default()))
}

fn files_of(root: &Path) -> SourceFiles {
    SourceFiles::from(root)
}

/// A long-tailed subset where a bit of the first byte asks for one.
fn subset(first: u8) -> SubsetSpec {
    if first & 8 == 0 {
        return SubsetSpec::default();
    }
    SubsetSpec {
        imbalance_ratio: Some(2.0),
        val_per_class: (first & 4 == 4).then_some(1),
        ..SubsetSpec::default()
    }
}

fn load(name: &str, files: SourceFiles, spec: &SubsetSpec) -> bool {
    let Ok(dataset) = Dataset::load(name, files, spec) else { return false };
    for set in [Some(&dataset.train), dataset.val.as_ref(), Some(&dataset.test)].into_iter().flatten() {
        assert_eq!(set.labels.len(), set.sample_ids.len());
        assert!(
            set.labels.iter().all(|label| label.index() < dataset.class_names.len()),
            "a label without a class"
        );
    }
    true
}

/// A picture of any format. A decoder that panics is caught and the file refused: only what is not caught is a failure.
pub fn image(bytes: &[u8]) -> bool {
    let Ok(picture) = images::decode(bytes) else { return false };
    assert_eq!(picture.pixels.len(), 3 * picture.width * picture.height);
    true
}

/// An archive of `extractor pack`: as it is where the first byte is 0, else a tar file whose header checksums are mended and which is
/// compressed here, because no fuzzer finds these by chance.
pub fn archive(bytes: &[u8]) -> bool {
    let Some((first, bytes)) = bytes.split_first() else { return false };
    let accept = || {
        let folder = Folder::new()?;
        let content =
            if *first == 0 { bytes.to_vec() } else { zstd::encode_all(mended(bytes).as_slice(), 1)? };
        let path = folder.write("archive.tar.zst", &content)?;
        let cache = folder.join("cache");
        if archive::unpack(&path, &cache, &Interrupt::never()).is_err() {
            let left: Vec<_> = std::fs::read_dir(folder.path())?.collect();
            assert_eq!(left.len(), 1, "a refused archive leaves {left:?}");
            return Ok(false);
        }
        assert!(FeatureCache::verify(&cache, |_| ()).is_ok_and(|damages| damages.is_empty()));
        Ok::<_, io::Error>(true)
    };
    accept().unwrap_or(false)
}

/// The tar file with right checksums in the headers that follow each other.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0_usize;
    while let Some(block) = bytes.get_mut(at..at.saturating_add(512)) {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        if block.iter().all(|&byte| byte == 0) {
            break;
        }
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        let size = header.size().ok().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        at = at.saturating_add(512).saturating_add(size.div_ceil(512).saturating_mul(512));
    }
    bytes
}
