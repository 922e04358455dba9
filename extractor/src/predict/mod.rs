//! Images and a head to predictions, a batch at a time: memory does not grow with the number of images.
//!
//! ```text
//! files ─▶ rayon: read, decode, resize ══ at most AHEAD batches ══▶ device: features ─▶ f16 ─▶ head ─▶ probabilities
//! ```
//!
//! The pixels, the rounding and the head's sums are those that the head was measured with, so that its accuracy is the one that
//! `retrainer evaluate` prints.

mod about;
mod classify;
mod found;
mod network;
mod table;

pub use about::About;
pub use found::{Found, find};
pub use network::NetworkFile;
pub use table::{Form, Table};

use crate::{
    ExtractError,
    frozen::Frozen,
    images::{self, MaxPixels},
    transform::Photo,
};
use cache::head::Head;
use classify::classify;
use program::{interrupt::Interrupt, progress::Progress};
use rayon::prelude::*;
use std::{
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    thread,
};

/// Batches that are decoded and wait for the device at most.
const AHEAD: usize = 2;

/// A head, the network whose features it reads, and how many images go through it at once.
#[derive(Debug)]
pub struct Predictor<'a> {
    /// What makes logits of features.
    pub head: &'a Head,
    /// What the head is for.
    pub about: &'a About,
    /// The network, with the transform of the head.
    pub frozen: &'a Frozen,
    /// Images of a forward pass.
    pub batch_size: usize,
    /// Pixels that an image may have.
    pub max_pixels: MaxPixels,
    /// Classes that are written of each image, the most probable first.
    pub top: usize,
}

/// Pixels `[side, side, 3]` of an image, or why it has none.
type Decoded = Result<Vec<u8>, ExtractError>;

impl Predictor<'_> {
    /// Predicts each image and gives it to the table, in their order; why images could not be read, for each that has no row.
    ///
    /// # Errors
    /// [`ExtractError::InvalidSetting`] for a head over images of one small size; [`ExtractError::Interrupted`],
    /// [`ExtractError::Torch`], and [`ExtractError::File`] where the table cannot be written.
    pub fn run(
        &self,
        paths: &[PathBuf],
        table: &mut Table,
        interrupt: &Interrupt,
    ) -> Result<Vec<ExtractError>, ExtractError> {
        let Some(photo) = &self.frozen.transform.photo else { return Err(small_images()) };
        let _guard = tch::no_grad_guard();
        let mut unreadable = Vec::new();
        let mut progress = Progress::new("predict", paths.len() as u64);
        let (sender, receiver) = sync_channel::<Vec<Decoded>>(AHEAD);
        let (size, max_pixels) = (self.batch_size.max(1), self.max_pixels);
        let batches = || paths.chunks(size);
        let pixels_of = |path: &PathBuf| decode(path, photo, max_pixels);
        thread::scope(|scope| {
            // Dropping the receiver ends it.
            scope.spawn(move || {
                batches().try_for_each(|batch| sender.send(batch.par_iter().map(pixels_of).collect()))
            });
            for (batch, decoded) in batches().zip(receiver) {
                if interrupt.requested() {
                    return Err(ExtractError::Interrupted { state: "nothing is written".to_owned() });
                }
                let (mut names, mut pixels) = (Vec::new(), Vec::new());
                for (path, decoded) in batch.iter().zip(decoded) {
                    match decoded {
                        Ok(image) => {
                            names.push(path);
                            pixels.push(image);
                        }
                        Err(error) => unreadable.push(error),
                    }
                }
                for (path, best) in names.into_iter().zip(classify(self, photo, &pixels)?) {
                    table.row(path, &best)?;
                }
                progress.advance(batch.len() as u64);
            }
            Ok(())
        })?;
        progress.finish();
        Ok(unreadable)
    }
}

fn decode(path: &Path, photo: &Photo, max_pixels: MaxPixels) -> Decoded {
    let image = images::read(path, max_pixels)?;
    photo.clean(&image).map_err(|error| ExtractError::Malformed {
        path: path.to_owned(),
        expected: "an image that can be resized".to_owned(),
        got: format!("{}×{} pixels ({error})", image.width, image.height),
        hint: "get the file again".to_owned(),
    })
}

/// Heads of CIFAR caches say nothing of the size of their images.
fn small_images() -> ExtractError {
    ExtractError::InvalidSetting {
        name: "--head",
        expected: "a head over photographs".to_owned(),
        got: "one over a data set of images of one small size".to_owned(),
        hint: "its own images are measured by `retrainer evaluate`; other images need a head of a `dump --dataset folder`"
            .to_owned(),
    }
}
