//! Which samples, and what becomes of their pixels.

use crate::{
    ExtractError,
    backbones::BackboneKind,
    cli::{DataArgs, FractionArgs, ListArgs},
    datasets::{Broken, Dataset, DatasetKind, Fractions, SourceFiles, subset::SubsetSpec},
    transform::Transform,
};
use std::{num::NonZeroUsize, path::Path};

/// A data set, the long-tailed subset of it, and its transform.
#[derive(Clone, Debug)]
pub struct Data {
    /// Name of the data set.
    pub name: &'static str,
    /// Where its files are.
    pub files: SourceFiles,
    /// The subset.
    pub subset: SubsetSpec,
    /// From its pixels to a backbone's input, in the sizes asked for.
    pub transform: Transform,
}

impl Data {
    /// The pixels are the backbone's own where its weights were trained with some.
    ///
    /// # Errors
    /// [`ExtractError::UnknownName`] for the data set; [`ExtractError::InvalidSetting`] for sizes of images that have one.
    pub(super) fn resolve(args: &DataArgs, backbone: &BackboneKind) -> Result<Self, ExtractError> {
        let kind = DatasetKind::named(&args.dataset)?;
        Ok(Self {
            name: kind.name,
            files: files(
                &args.lists,
                &args.data,
                if args.skip_broken { Broken::Skip } else { Broken::Refuse },
            ),
            subset: SubsetSpec {
                rule: args.subset,
                imbalance_ratio: args.imbalance_ratio,
                n_max: args.n_max,
                rounding: args.rounding,
                val_per_class: args.val_per_class,
                index_file: args.index_file.clone(),
            },
            transform: transform(kind, args, backbone)?,
        })
    }

    /// Reads the data set.
    ///
    /// # Errors
    /// Those of [`Dataset::load`].
    pub fn load(&self) -> Result<Dataset, ExtractError> {
        Dataset::load(self.name, self.files.clone(), &self.subset)
    }
}

/// Where the images are.
pub(super) fn files(lists: &ListArgs, root: &Path, broken: Broken) -> SourceFiles {
    SourceFiles {
        root: root.to_owned(),
        train_list: lists.train_list.clone(),
        val_list: lists.val_list.clone(),
        test_list: lists.test_list.clone(),
        fractions: fractions(&lists.fractions),
        split_file: lists.split_file.clone(),
        train_split: lists.train_split.clone(),
        val_split: lists.val_split.clone(),
        test_split: lists.test_split.clone(),
        class_names: lists.class_names.clone(),
        max_pixels: lists.max_pixels,
        broken,
    }
}

/// The splits that are drawn.
pub(super) fn fractions(args: &FractionArgs) -> Fractions {
    let FractionArgs { val_fraction, test_fraction, split_seed, group_file } = args;
    Fractions { val: *val_fraction, test: *test_fraction, seed: *split_seed, group_file: group_file.clone() }
}

/// The transform of backbone and data set, with the sizes asked for.
fn transform(
    kind: &DatasetKind,
    args: &DataArgs,
    backbone: &BackboneKind,
) -> Result<Transform, ExtractError> {
    let mut transform = backbone.transform(&kind.transform)?;
    match &mut transform.photo {
        Some(photo) => {
            photo.resize = args.resize.map_or(photo.resize, NonZeroUsize::get);
            photo.crop = args.crop.map_or(photo.crop, NonZeroUsize::get);
            if photo.crop > photo.resize {
                return Err(black_frame(args, photo.resize, photo.crop));
            }
        }
        None if args.resize.or(args.crop).is_some() => {
            return Err(ExtractError::InvalidSetting {
                name: if args.resize.is_some() { "--resize" } else { "--crop" },
                expected: "photographs".to_owned(),
                got: format!("`{}`, whose images have one size", kind.name),
                hint: "leave it out".to_owned(),
            });
        }
        None => {}
    }
    Ok(transform)
}

/// A crop beyond the image would be black there.
fn black_frame(args: &DataArgs, resize: usize, crop: usize) -> ExtractError {
    let (name, expected, got) = if args.resize.is_some() {
        ("--resize", format!("at least {crop}, the side that the backbone sees"), resize)
    } else {
        ("--crop", format!("at most {resize}, the shorter side before the crop"), crop)
    };
    ExtractError::InvalidSetting {
        name,
        expected,
        got: got.to_string(),
        hint: "give `--resize` and `--crop` together; ImageNet's are 256 and 224".to_owned(),
    }
}
