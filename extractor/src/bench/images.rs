//! Generated images: nothing to download, the same on every machine.

use crate::{
    ExtractError,
    datasets::{Dataset, ImageFiles, ImageSet, Images, PixelSet},
};
use cache::{ClassId, DatasetInfo};
use longtail::random;
use rand_chacha::rand_core::Rng;
use std::path::{Path, PathBuf};

/// Size of a photograph in ImageNet, most often.
const PHOTOGRAPH: (u32, u32) = (500, 375);
/// Different photographs; names repeat them.
const FILES: usize = 64;
/// JPEG quality that makes files as large as those of ImageNet, 110 KB in the mean.
const QUALITY: u8 = 90;
const CLASSES: u32 = 10;
const SMALL: usize = 32;

/// JPEG files in a folder.
#[derive(Debug)]
pub(super) struct Photographs(ImageFiles);

impl Photographs {
    /// Writes the files.
    pub(super) fn write(folder: &Path) -> Result<Self, ExtractError> {
        let mut names = Vec::with_capacity(FILES);
        for number in 0..FILES {
            let name = format!("{number:02}.jpg");
            let path = folder.join(&name);
            std::fs::write(&path, photograph(number as u64, &path)?)
                .map_err(ExtractError::io("write", &path))?;
            names.push(name.into());
        }
        Ok(Self(ImageFiles { root: folder.to_owned(), names, ..ImageFiles::default() }))
    }

    /// The folder and names of the different files.
    pub(super) fn files(&self) -> (&PathBuf, &[Box<str>]) {
        (&self.0.root, &self.0.names)
    }

    /// A data set of `n` training images and a few held-out ones, which are the same files again and again.
    pub(super) fn dataset(&self, n: usize) -> Dataset {
        let names = |n: usize| self.0.names.iter().cycle().take(n).cloned().collect();
        let files = |n| ImageFiles { root: self.0.root.clone(), names: names(n), ..ImageFiles::default() };
        dataset(n, |n| Images::Files(files(n)))
    }
}

/// `n` random training images of 32×32 pixels in memory, and half as many held-out ones.
pub(super) fn small(n: usize) -> Dataset {
    dataset(n, |n| {
        let mut bytes = vec![0; n * 3 * SMALL * SMALL];
        random::stream(0, "bench/small images", 0).fill_bytes(&mut bytes);
        Images::Memory(PixelSet { bytes, height: SMALL, width: SMALL })
    })
}

fn dataset(n: usize, images: impl Fn(usize) -> Images) -> Dataset {
    let set = |n: usize| ImageSet {
        images: images(n),
        labels: (0_u32..).take(n).map(|row| ClassId(row % CLASSES)).collect(),
        sample_ids: (0_i64..).take(n).collect(),
    };
    Dataset {
        info: DatasetInfo { name: "bench".to_owned(), ..DatasetInfo::default() },
        class_names: (0..CLASSES).map(|class| class.to_string()).collect(),
        train: set(n.max(CLASSES as usize)),
        val: None,
        test: set(n.div_ceil(2)),
    }
}

/// Smooth colours with grain: about as many coefficients as a photograph.
fn photograph(number: u64, path: &Path) -> Result<Vec<u8>, ExtractError> {
    let (width, height) = PHOTOGRAPH;
    let mut grain = random::stream(0, "bench/photographs", number);
    let phase = number as f32;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte's range")]
    let byte = |value: f32| value.clamp(0.0, 255.0).round() as u8;
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32, y as f32);
        let noise = grain.next_u32().to_le_bytes();
        let mut colours = [0; 3];
        for ((colour, noise), c) in colours.iter_mut().zip(noise).zip([0.9_f32, 1.3, 1.7]) {
            let smooth = (0.011 * c * x + phase).sin() + (0.017 * c * y - phase).cos();
            let edges = (0.003 * c * x * y / 10.0 + phase).sin();
            let value = 128.0 + 40.0 * smooth + 20.0 * edges + (f32::from(noise) - 127.5) / 9.0;
            *colour = byte(value);
        }
        image::Rgb(colours)
    });
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    image.write_with_encoder(encoder).map_err(|error| ExtractError::Malformed {
        path: path.to_owned(),
        expected: "a generated photograph".to_owned(),
        got: error.to_string(),
        hint: String::new(),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photographs_are_as_large_as_imagenets_and_decode() {
        let bytes = photograph(3, Path::new("3.jpg")).unwrap();
        assert!((60_000..160_000).contains(&bytes.len()), "{} bytes", bytes.len());
        let image = crate::images::decode(&bytes).unwrap();
        assert_eq!((image.width, image.height), (500, 375));
        assert_ne!(photograph(4, Path::new("4.jpg")).unwrap(), bytes);
    }

    #[test]
    fn every_class_has_training_images() {
        for n in [1, 10, 25] {
            let dataset = small(n);
            assert_eq!(dataset.train.len(), n.max(10));
            assert!(cache::ClassCounts::from_labels(&dataset.train.labels, 10).is_ok());
        }
    }
}
