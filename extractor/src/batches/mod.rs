//! A source of batches of normalised images: what training and dumping see of a data set.
//!
//! Images of one small size lie on the device as a whole (`memory`); image files are decoded by all cores, a few batches
//! ahead of the device (`files`), so that memory does not grow with their number. Whoever takes the batches cannot tell.

mod files;
mod memory;

use crate::{
    ExtractError,
    datasets::{ImageSet, Images},
    transform::Transform,
};
use files::{FileBatches, FileSource};
use memory::MemorySource;
use std::{ops::Range, sync::Arc};
use tch::{Device, Kind, TchError, Tensor};
use torch::bytes::tensor_from_bytes;

/// What is done to the images before they are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The evaluation pixels.
    Clean,
    /// The evaluation pixels, mirrored.
    Flipped,
    /// Random crops and flips: a function of these three and the sample alone.
    Augmented {
        /// Seed of the draws.
        seed: u64,
        /// Separates the draws of training from those of a dump.
        purpose: &'static str,
        /// The epoch, or the number of the augmented view.
        index: u64,
    },
}

/// The images of one split, ready to be taken in batches, with their labels on the device.
#[derive(Debug)]
pub struct Source {
    /// `[N]` i64.
    labels: Tensor,
    transform: Transform,
    pixels: Pixels,
}

#[derive(Debug)]
enum Pixels {
    Memory(MemorySource),
    Files(Arc<FileSource>),
}

impl Source {
    /// Copies small images to the device; image files stay on disk.
    ///
    /// # Errors
    /// [`ExtractError::Torch`] when the device's memory is full, or the pixels do not fill the shape;
    /// [`ExtractError::InvalidSetting`] for image files with a transform that does not make them one size.
    pub fn new(images: &ImageSet, transform: &Transform, device: Device) -> Result<Self, ExtractError> {
        let labels: Vec<i64> = images.labels.iter().map(|label| i64::from(label.0)).collect();
        let to_device = ExtractError::torch("copy the images to the device");
        let labels = Tensor::f_from_slice(&labels).and_then(|labels| labels.f_to(device));
        let pixels = match &images.images {
            Images::Memory(pixels) => MemorySource::new(pixels, images.len(), device).map(Pixels::Memory),
            Images::Files(files) => {
                let Some(photo) = transform.photo.clone() else {
                    return Err(ExtractError::InvalidSetting {
                        name: "--dataset",
                        expected: "images of 32×32 pixels, which this backbone was trained on".to_owned(),
                        got: "image files of any size".to_owned(),
                        hint: "train a backbone on photographs".to_owned(),
                    });
                };
                Ok(Pixels::Files(Arc::new(FileSource::new(files.clone(), &images.sample_ids, photo))))
            }
        };
        let (labels, pixels) = labels.and_then(|labels| Ok((labels, pixels?))).map_err(to_device)?;
        Ok(Self { labels, transform: transform.clone(), pixels })
    }

    /// Number of images N.
    pub fn len(&self) -> usize {
        self.labels.size().first().map_or(0, |&n| usize::try_from(n).unwrap_or(0))
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Class of each image on the device, `[N]` i64.
    pub fn labels(&self) -> &Tensor {
        &self.labels
    }

    /// The rows of `order` that each range of `cuts` names, as a batch each, in that order.
    ///
    /// # Errors
    /// [`ExtractError::Torch`] when the device's memory is full.
    pub fn batches(
        &self,
        look: Look,
        order: &[u32],
        cuts: impl IntoIterator<Item = Range<usize>>,
    ) -> Result<Batches<'_>, ExtractError> {
        let cuts: Vec<Range<usize>> = cuts.into_iter().collect();
        let device = self.labels.device();
        let begin = || -> Result<Batches<'_>, TchError> {
            let length = i64::try_from(order.len()).unwrap_or(i64::MAX);
            let rows = tensor_from_bytes(bytemuck::cast_slice(order), &[length], Kind::Int)?;
            let rows = rows.f_to_dtype(Kind::Int64, false, false)?.f_to(device)?;
            let input = match &self.pixels {
                Pixels::Memory(source) => {
                    Input::Memory { source, draws: source.draws(look, self.len(), &self.transform)? }
                }
                Pixels::Files(source) => Input::Files(FileBatches::new(source.clone(), look, order, &cuts)),
            };
            Ok(Batches { source: self, look, rows, cuts: cuts.clone().into_iter(), input })
        };
        begin().map_err(ExtractError::torch("begin a pass over the images"))
    }
}

/// Images of a batch as the backbone takes them.
#[derive(Debug)]
pub struct Batch {
    /// `[B, 3, H, W]` f32, normalised, on the device.
    pub input: Tensor,
    /// `[B]` i64 on the device.
    pub labels: Tensor,
}

/// The batches of a pass; an iterator that ends early after an error.
#[derive(Debug)]
pub struct Batches<'source> {
    source: &'source Source,
    look: Look,
    /// `[order.len()]` i64 on the device.
    rows: Tensor,
    cuts: std::vec::IntoIter<Range<usize>>,
    input: Input<'source>,
}

#[derive(Debug)]
enum Input<'source> {
    Memory { source: &'source MemorySource, draws: Option<crate::transform::Draws> },
    Files(FileBatches),
}

impl Batches<'_> {
    fn batch(&mut self, cut: &Range<usize>) -> Result<Batch, ExtractError> {
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let failed = ExtractError::torch("make a batch of images");
        let rows = self.rows.f_narrow(0, size(cut.start), size(cut.len()));
        let Source { transform, labels, .. } = self.source;
        let input = match &mut self.input {
            Input::Memory { source, draws } => rows
                .as_ref()
                .map_or(Ok(None), |rows| source.input(self.look, rows, draws.as_ref(), transform).map(Some)),
            Input::Files(files) => {
                let pixels = files.next_pixels()?;
                let shape = [size(cut.len()), size(files.side()), size(files.side()), 3];
                // All other steps have been done where the images were decoded.
                let upload = || match labels.device() {
                    Device::Cpu => transform.normalise.pixels(&pixels, &shape),
                    device => {
                        let pixels = tensor_from_bytes(&pixels, &shape, Kind::Uint8)?.f_to(device)?;
                        transform.clean(&pixels.f_permute([0, 3, 1, 2])?)
                    }
                };
                upload().map(Some)
            }
        };
        let take = || -> Result<Batch, TchError> {
            let rows = rows?;
            let input = input?.ok_or_else(|| TchError::Shape("a batch without rows".to_owned()))?;
            Ok(Batch { input, labels: labels.f_index_select(0, &rows)? })
        };
        take().map_err(failed)
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, ExtractError>;

    fn next(&mut self) -> Option<Self::Item> {
        let cut = self.cuts.next()?;
        Some(self.batch(&cut))
    }
}
