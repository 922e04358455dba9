//! CIFAR-10 and CIFAR-100 in their binary format: records of label bytes and 3 × 32 × 32 pixels, one plane a colour.
//!
//! # Source
//! Krizhevsky 2009, <https://www.cs.toronto.edu/~kriz/cifar.html>, "binary version".

use super::{DatasetKind, ImageSet, Images, PixelSet, SourceImages, text};
use crate::{error::ExtractError, transform::Transform};
use cache::ClassId;
use files::FileError;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;

/// One of the two data sets: where its files are and what a record looks like.
#[derive(Debug)]
struct Format {
    train_files: &'static [&'static str],
    test_files: &'static [&'static str],
    names_file: &'static str,
    /// Values that each label byte may have; the last is the class.
    label_bytes: &'static [u32],
    /// The folder in the published archive.
    folder: &'static str,
}

const FORMAT_10: Format = Format {
    train_files: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test_files: &["test_batch.bin"],
    names_file: "batches.meta.txt",
    label_bytes: &[10],
    folder: "cifar-10-batches-bin",
};

const FORMAT_100: Format = Format {
    train_files: &["train.bin"],
    test_files: &["test.bin"],
    names_file: "fine_label_names.txt",
    label_bytes: &[20, 100],
    folder: "cifar-100-binary",
};

/// 10 classes, 5,000 training images each.
pub(super) const CIFAR10: DatasetKind = DatasetKind {
    name: "cifar10",
    about: "CIFAR-10, binary version: data_batch_1.bin … data_batch_5.bin, test_batch.bin, batches.meta.txt",
    transform: Transform::CIFAR,
    takes: &[],
    load: |files| load(&files.root, &FORMAT_10),
};

/// 100 classes, 500 training images each.
pub(super) const CIFAR100: DatasetKind = DatasetKind {
    name: "cifar100",
    about: "CIFAR-100, binary version: train.bin, test.bin, fine_label_names.txt",
    transform: Transform::CIFAR,
    takes: &[],
    load: |files| load(&files.root, &FORMAT_100),
};

fn load(root: &Path, format: &Format) -> Result<SourceImages, ExtractError> {
    let names: BTreeSet<&str> = format.train_files.iter().chain(format.test_files).copied().collect();
    let mut files = BTreeMap::new();
    let mut digest = blake3::Hasher::new();
    for name in names {
        let bytes = read(root, name, format)?;
        digest.update(&bytes);
        files.insert(name, bytes);
    }
    let mut split = |names: &[&'static str]| {
        let mut pixels = PixelSet { height: SIDE, width: SIDE, ..PixelSet::default() };
        let mut labels = Vec::new();
        for name in names {
            append_records(
                &mut pixels,
                &mut labels,
                &root.join(name),
                &files.remove(name).unwrap_or_default(),
                format,
            )?;
        }
        let sample_ids = (0_i64..).take(labels.len()).collect();
        Ok::<_, ExtractError>(ImageSet { images: Images::Memory(pixels), labels, sample_ids })
    };
    Ok(SourceImages {
        root_digest: digest.finalize().to_hex().to_string(),
        train: split(format.train_files)?,
        val: None,
        names_digest: String::new(),
        skipped: Vec::new(),
        left_out: Vec::new(),
        test: Some(split(format.test_files)?),
        class_names: read_names(root, format)?,
    })
}

fn read(root: &Path, name: &str, format: &Format) -> Result<Vec<u8>, ExtractError> {
    let path = root.join(name);
    files::regular::read(&path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            ExtractError::NotFound {
                expected: expected_files(format),
                hint: where_it_may_be(root, format),
                path: path.clone(),
            }
        } else {
            FileError::io("read", &path, source).into()
        }
    })
}

fn expected_files(format: &Format) -> String {
    let mut files = format.train_files.to_vec();
    files.extend_from_slice(format.test_files);
    files.push(format.names_file);
    files.join(", ")
}

/// Looks at what is there instead: the folder above, or the Python version of the data set.
fn where_it_may_be(root: &Path, format: &Format) -> String {
    let inner = root.join(format.folder);
    if !root.exists() {
        "the folder itself does not exist: check `--data`".to_owned()
    } else if inner.is_dir() {
        format!("did you mean `--data {}`?", inner.display())
    } else if ["train", "data_batch_1"].iter().any(|name| root.join(name).is_file()) {
        format!("this is the Python version; the binary version unpacks to `{}`", format.folder)
    } else {
        format!(
            "the binary version from https://www.cs.toronto.edu/~kriz/cifar.html unpacks to `{}`",
            format.folder
        )
    }
}

fn append_records(
    images: &mut PixelSet,
    classes: &mut Vec<ClassId>,
    path: &Path,
    bytes: &[u8],
    format: &Format,
) -> Result<(), ExtractError> {
    let label_bytes = format.label_bytes.len();
    let record_bytes = label_bytes + PIXELS;
    let malformed = |expected: String, got: String, hint: &str| ExtractError::Malformed {
        path: path.to_owned(),
        expected,
        got,
        hint: hint.to_owned(),
    };
    if bytes.is_empty() || !bytes.len().is_multiple_of(record_bytes) {
        return Err(malformed(
            format!("whole records of {record_bytes} bytes"),
            format!("{} bytes", bytes.len()),
            "the file is incomplete or of another data set: download it again",
        ));
    }
    images.bytes.reserve_exact(bytes.len() / record_bytes * PIXELS);
    for (record, content) in bytes.chunks_exact(record_bytes).enumerate() {
        let (labels, pixels) = content.split_at(label_bytes);
        for (&label, &values) in labels.iter().zip(format.label_bytes) {
            if u32::from(label) >= values {
                return Err(malformed(
                    format!("labels below {values}"),
                    format!("{label} in record {record}"),
                    "the file is damaged or of another data set: download it again",
                ));
            }
        }
        classes.extend(labels.last().map(|&label| ClassId(u32::from(label))));
        images.bytes.extend_from_slice(pixels);
    }
    Ok(())
}

fn read_names(root: &Path, format: &Format) -> Result<Vec<String>, ExtractError> {
    let classes = format.label_bytes.last().map_or(0, |&classes| classes as usize);
    let malformed = |got: String| ExtractError::Malformed {
        path: root.join(format.names_file),
        expected: format!("{classes} class names, one a line"),
        got,
        hint: "take the file from the data set's archive".to_owned(),
    };
    let path = root.join(format.names_file);
    let text = text::read(&path, &expected_files(format), &where_it_may_be(root, format))?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() == classes { Ok(names) } else { Err(malformed(names.len().to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(labels: &[u8], seed: u8) -> Vec<u8> {
        let pixels = (0..PIXELS).map(|i| seed.wrapping_add(u8::try_from(i % 251).unwrap()));
        labels.iter().copied().chain(pixels).collect()
    }

    fn write_cifar10(root: &Path) {
        for (batch, name) in (0_u8..).zip(FORMAT_10.train_files) {
            std::fs::write(root.join(name), [record(&[batch], batch), record(&[9], 100 + batch)].concat())
                .unwrap();
        }
        std::fs::write(root.join("test_batch.bin"), record(&[3], 7)).unwrap();
        // The published file ends with an empty line.
        let names = (0..10).map(|class| format!("class {class}")).collect::<Vec<_>>().join("\n") + "\n\n";
        std::fs::write(root.join("batches.meta.txt"), names).unwrap();
    }

    #[test]
    fn batches_are_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        write_cifar10(folder.path());
        let images = load(folder.path(), &FORMAT_10).unwrap();
        let labels: Vec<u32> = images.train.labels.iter().map(|label| label.0).collect();
        assert_eq!(labels, [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
        let bytes = |set: &ImageSet| match &set.images {
            Images::Memory(pixels) => pixels.bytes.clone(),
            Images::Files(_) => Vec::new(),
        };
        assert_eq!(bytes(&images.train).len(), 10 * PIXELS);
        assert_eq!(bytes(&images.train)[2 * PIXELS..2 * PIXELS + 2], [1, 2]);
        assert_eq!(images.train.sample_ids, (0..10).collect::<Vec<_>>());
        let test = images.test.unwrap();
        assert_eq!((&test.labels, bytes(&test)[0]), (&vec![ClassId(3)], 7));
        assert_eq!(images.class_names[9], "class 9");
    }

    #[test]
    fn the_digest_covers_every_image_file_in_name_order() {
        let folder = tempfile::tempdir().unwrap();
        write_cifar10(folder.path());
        let mut bytes = Vec::new();
        for name in FORMAT_10.train_files.iter().chain(FORMAT_10.test_files) {
            bytes.extend(std::fs::read(folder.path().join(name)).unwrap());
        }
        assert_eq!(
            load(folder.path(), &FORMAT_10).unwrap().root_digest,
            blake3::hash(&bytes).to_hex().to_string()
        );
    }

    #[test]
    fn rejects_a_label_outside_the_class_set() {
        let folder = tempfile::tempdir().unwrap();
        write_cifar10(folder.path());
        std::fs::write(folder.path().join("test_batch.bin"), [record(&[9], 0), record(&[10], 0)].concat())
            .unwrap();
        let error = load(folder.path(), &FORMAT_10).unwrap_err();
        assert!(matches!(&error, ExtractError::Malformed { got, .. } if got == "10 in record 1"), "{error}");
    }
}
