//! Data sets on disk: labels, where each sample came from, and its pixels or the file that holds them.
//!
//! To add one: a file here with its `DatasetKind`, and one line in [`DATASETS`].

mod assemble;
mod cifar;
mod draw;
mod entries;
mod folder;
mod folders;
pub(crate) mod fractions;
mod glance;
mod group_file;
mod inaturalist;
mod index_file;
mod left_out;
mod list;
pub mod longtail;
pub(crate) mod names;
mod numpy_legacy;
pub(crate) mod overlap;
pub(crate) mod remarks;
pub(crate) mod samples;
mod source_files;
mod splits;
pub mod subset;
mod subset_spec;
pub(crate) mod text;

pub(crate) use folder::images_below;
pub use fractions::Fractions;
pub use glance::Glance;
pub use source_files::{Broken, SourceFiles};

use crate::{error::ExtractError, images::MaxPixels, transform::Transform};
use cache::{ClassId, DatasetInfo, LeftOut, Split};
use std::path::PathBuf;
use subset::SubsetSpec;

/// Every data set that the extractor reads.
pub static DATASETS: &[DatasetKind] = &[
    cifar::CIFAR10,
    cifar::CIFAR100,
    list::IMAGENET_LT,
    list::PLACES_LT,
    inaturalist::INATURALIST18,
    list::LIST,
    folder::FOLDER,
];

/// A data set that the extractor can read.
#[derive(Debug)]
pub struct DatasetKind {
    /// The name on the command line and in manifests.
    pub name: &'static str,
    /// What it is and which files it needs, in one line.
    pub about: &'static str,
    /// From its pixels to a backbone's input, as published code has it.
    pub transform: Transform,
    /// The arguments of [`SourceFiles`] that it takes beside the folder.
    takes: &'static [&'static str],
    load: fn(&SourceFiles) -> Result<SourceImages, ExtractError>,
}

impl DatasetKind {
    /// The data set of this name.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`].
    pub fn named(name: &str) -> Result<&'static Self, ExtractError> {
        DATASETS.iter().find(|kind| kind.name == name).ok_or_else(|| ExtractError::UnknownName {
            kind: "dataset",
            name: name.to_owned(),
            known: DATASETS.iter().map(|kind| kind.name.to_owned()).collect(),
        })
    }
}

/// What the files of a data set hold, before any subset is taken.
#[derive(Debug)]
pub(crate) struct SourceImages {
    /// BLAKE3 of the image files' bytes, in name order; for image files, of their lists and sizes.
    root_digest: String,
    /// The same of names and labels alone; empty for images without names.
    names_digest: String,
    class_names: Vec<String>,
    train: ImageSet,
    /// Where the data set comes with one.
    val: Option<ImageSet>,
    /// Where it comes with one; else it is drawn.
    test: Option<ImageSet>,
    /// Broken images that were left out.
    skipped: Vec<String>,
    /// They and everything else that was found and not taken.
    left_out: Vec<LeftOut>,
}

/// The samples of one split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSet {
    /// Where their pixels are.
    pub images: Images,
    /// Class of each image `[N]`.
    pub labels: Vec<ClassId>,
    /// Row of each image in the files of the source `[N]`.
    pub sample_ids: Vec<i64>,
}

/// Where the pixels of a split are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Images {
    /// In memory: images of one small size.
    Memory(PixelSet),
    /// In files of any size and number, read when they are needed.
    Files(ImageFiles),
}

impl Default for Images {
    fn default() -> Self {
        Self::Memory(PixelSet::default())
    }
}

/// Images of one size in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PixelSet {
    /// Pixels `[N, 3, height, width]`, row-major, red, green, blue.
    pub bytes: Vec<u8>,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
}

/// One image file for each sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFiles {
    /// The folder that the names are relative to.
    pub root: PathBuf,
    /// Names `[N]`.
    pub names: Vec<Box<str>>,
    /// What a glance told of each file `[N]`; empty where nobody looked.
    pub glances: Vec<Glance>,
    /// Pixels that each may have.
    pub max_pixels: MaxPixels,
}

impl ImageFiles {
    /// The file of a sample; the folder itself for a row outside.
    pub fn path(&self, row: usize) -> PathBuf {
        self.names.get(row).map_or_else(|| self.root.clone(), |name| self.root.join(&**name))
    }
}

impl ImageSet {
    /// Number of images N.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Rows and columns of an image; 0 where they have no common size.
    pub fn size(&self) -> (usize, usize) {
        match &self.images {
            Images::Memory(pixels) => (pixels.height, pixels.width),
            Images::Files(_) => (0, 0),
        }
    }

    /// The images of these rows, in this order; rows outside are left out.
    fn take(&self, rows: &[u32]) -> Self {
        let rows = || rows.iter().map(|&row| row as usize).filter(|&row| row < self.len());
        let images = match &self.images {
            Images::Memory(PixelSet { bytes, height, width }) => {
                let size = 3 * height * width;
                let mut taken = Vec::with_capacity(rows().count().saturating_mul(size));
                for row in rows() {
                    taken.extend_from_slice(bytes.get(row * size..(row + 1) * size).unwrap_or_default());
                }
                Images::Memory(PixelSet { bytes: taken, height: *height, width: *width })
            }
            Images::Files(ImageFiles { root, names, glances, max_pixels }) => Images::Files(ImageFiles {
                root: root.clone(),
                names: rows().filter_map(|row| names.get(row).cloned()).collect(),
                glances: rows().filter_map(|row| glances.get(row).copied()).collect(),
                max_pixels: *max_pixels,
            }),
        };
        Self {
            images,
            labels: rows().filter_map(|row| self.labels.get(row).copied()).collect(),
            sample_ids: rows().filter_map(|row| self.sample_ids.get(row).copied()).collect(),
        }
    }
}

/// A data set as the backbone sees it: long-tailed training samples, balanced held-out ones.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What decided the samples: goes into the checkpoint and the cache's manifest.
    pub info: DatasetInfo,
    /// Names of the classes `[C]`.
    pub class_names: Vec<String>,
    /// Training samples, class-major: class 0 first, and within a class in the order of its subset rule.
    pub train: ImageSet,
    /// Held-out samples for choosing settings: the data set's own in its order, or, class-major, training images that the
    /// subset does not use.
    pub val: Option<ImageSet>,
    /// Test samples in the order of the source.
    pub test: ImageSet,
}

impl Dataset {
    /// Reads a data set and takes the subset that `spec` asks for.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`] for the name; [`ExtractError::NotFound`], [`ExtractError::Malformed`] and
    /// [`ExtractError::File`] for its files; [`ExtractError::InvalidSetting`] for a subset that it does not have.
    pub fn load(name: &str, files: impl Into<SourceFiles>, spec: &SubsetSpec) -> Result<Self, ExtractError> {
        let kind = DatasetKind::named(name)?;
        let files = files.into();
        files.check(kind)?;
        files.fractions.check()?;
        draw::refuse_two_ways(&files, spec)?;
        let source = (kind.load)(&files)?;
        let (source, rows) = draw::draw(source, &files)?;
        if let (Some(_), Some(n)) = (&source.val, spec.val_per_class) {
            return Err(ExtractError::InvalidSetting {
                name: "--val-per-class",
                expected: "no value: the data set has a validation split".to_owned(),
                got: n.to_string(),
                hint: "leave it out".to_owned(),
            });
        }
        let chosen = subset::select(&source.train.labels, source.class_names.len(), spec)?;
        let train = source.train.take(&chosen.train);
        let val = chosen.val.as_ref().map(|rows| source.train.take(rows)).or(source.val);
        let test = source.test.unwrap_or_default();
        let splits = [(Split::Train, Some(&train)), (Split::Val, val.as_ref()), (Split::Test, Some(&test))];
        let splits: Vec<(Split, &ImageSet)> =
            splits.into_iter().filter_map(|(split, set)| Some((split, set?))).collect();
        refuse_empty(&splits, &files)?;
        let info = DatasetInfo {
            name: kind.name.to_owned(),
            root_digest: source.root_digest,
            subset: chosen.description.clone(),
            imbalance_ratio: spec.imbalance_ratio,
            n_max: chosen.n_max,
            val_per_class: spec.val_per_class,
            seed: (spec.rule == subset::SubsetRule::LdamSeed0).then_some(0),
            index_digest: subset::index_digest(&rows.of(&chosen.train)),
            skipped: source.skipped,
            names_digest: source.names_digest,
            left_out: source.left_out,
            overlaps: overlap::of_images(&splits)?,
            drawn: rows.drawn,
        };
        Ok(Self { info, class_names: source.class_names, train, val, test })
    }
}

/// A split without samples would give a report of dashes.
fn refuse_empty(splits: &[(Split, &ImageSet)], files: &SourceFiles) -> Result<(), ExtractError> {
    match splits.iter().find(|(_, set)| set.is_empty()) {
        Some((split, _)) => Err(ExtractError::Malformed {
            path: files.root.clone(),
            expected: format!("{} images", split.adjective()),
            got: "none".to_owned(),
            hint: "`extractor datasets` says what each data set needs".to_owned(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use subset::SubsetRule;

    /// The real CIFAR-100 (binary version) where `CIFAR100_DIR` points to it.
    fn real_cifar100(rule: SubsetRule) -> Option<Dataset> {
        let Some(root) = std::env::var_os("CIFAR100_DIR") else {
            println!("skipped: CIFAR100_DIR is not set");
            return None;
        };
        let spec = SubsetSpec { rule, imbalance_ratio: Some(100.0), ..SubsetSpec::default() };
        Some(Dataset::load("cifar100", Path::new(&root), &spec).unwrap())
    }

    /// Digests and sums of class-major row lists at ratio 100, of the official `train` file.
    #[test]
    fn first_n_of_the_real_cifar100_is_the_published_subset() {
        let Some(dataset) = real_cifar100(SubsetRule::FirstN) else { return };
        assert_eq!(
            dataset.info.index_digest,
            "a33e15fdd49f93544d2ccbc297ddfc0a01a0dd7cf4c99c56106a5278181677d1"
        );
        assert_eq!(dataset.train.sample_ids.iter().sum::<i64>(), 142_965_299);
        assert_eq!(dataset.train.sample_ids[..10], [2, 176, 304, 317, 353, 441, 459, 587, 658, 789]);
        assert_eq!(
            dataset.train.sample_ids[dataset.train.len() - 10..],
            [58, 188, 323, 490, 578, 97, 146, 301, 422, 962]
        );
        // Hashed as the Python version stores an image: 3072 bytes, one plane a colour.
        assert_eq!(
            match &dataset.train.images {
                Images::Memory(pixels) => subset::sha256(&pixels.bytes),
                Images::Files(_) => String::new(),
            },
            "de984f891192494eb19c756bb8f3f9acd17c4dffaa596387f8a1371f9b6ab6fe"
        );
        assert_eq!((dataset.train.len(), dataset.test.len()), (10_847, 10_000));
        assert_eq!((dataset.class_names[0].as_str(), dataset.class_names[99].as_str()), ("apple", "worm"));
    }

    #[test]
    fn ldams_draw_of_the_real_cifar100_is_the_published_subset() {
        let Some(dataset) = real_cifar100(SubsetRule::LdamSeed0) else { return };
        assert_eq!(
            dataset.info.index_digest,
            "92db61d4d8847a2a1140b271ec8575f002729622531a6595aa6f84211fee79e7"
        );
        assert_eq!(dataset.train.sample_ids.iter().sum::<i64>(), 272_991_436);
        assert_eq!(
            dataset.train.sample_ids[..10],
            [9470, 27272, 30172, 43691, 45171, 1979, 32714, 48715, 16637, 16352]
        );
    }

    #[test]
    fn names_are_different_and_found() {
        for kind in DATASETS {
            assert_eq!(DatasetKind::named(kind.name).unwrap().about, kind.about);
        }
        assert!(matches!(DatasetKind::named("cifar"), Err(ExtractError::UnknownName { .. })));
    }
}
