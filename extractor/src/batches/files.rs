//! Image files, decoded and made one size by all cores, a bounded number of batches ahead of the device.
//!
//! ```text
//! files ─▶ rayon: read, decode, resize, crop ══ at most AHEAD batches ══▶ device: normalise, forward
//! ```

use super::Look;
use crate::{ExtractError, datasets::ImageFiles, images, transform::Photo};
use longtail::random;
use rayon::prelude::*;
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
};

/// Batches that are being decoded or wait for the device at most; several, so that no core idles while the last image of
/// one of them is decoded.
const AHEAD: usize = 4;

/// The files of a split, and how they become pixels.
#[derive(Debug)]
pub(super) struct FileSource {
    files: ImageFiles,
    /// Row of each image in its list: a sample keeps its random numbers, whichever others are left out.
    sample_ids: Vec<i64>,
    photo: Photo,
}

impl FileSource {
    pub(super) fn new(files: ImageFiles, sample_ids: &[i64], photo: Photo) -> Self {
        Self { files, sample_ids: sample_ids.to_vec(), photo }
    }

    /// Pixels `[rows, side, side, 3]`.
    fn decode(&self, look: Look, rows: &[u32], stopped: &AtomicBool) -> Result<Vec<u8>, ExtractError> {
        let images: Vec<Vec<u8>> = rows
            .par_iter()
            .with_max_len(1)
            .map(|&row| if stopped.load(Ordering::Relaxed) { Ok(Vec::new()) } else { self.image(look, row) })
            .collect::<Result<_, _>>()?;
        Ok(images.concat())
    }

    fn image(&self, look: Look, row: u32) -> Result<Vec<u8>, ExtractError> {
        let path = self.files.path(row as usize);
        let image = images::read(&path, self.files.max_pixels)?;
        let pixels = match look {
            Look::Clean => self.photo.clean(&image),
            Look::Flipped => self.photo.flipped(&image),
            Look::Augmented { seed, purpose, index } => {
                let sample = self.sample_ids.get(row as usize).copied().unwrap_or_default();
                let mut rng = random::stream(seed, &format!("{purpose}/sample {sample}"), index);
                self.photo.augmented(&image, &mut rng)
            }
        };
        pixels.map_err(|error| ExtractError::Malformed {
            path,
            expected: "an image that can be resized".to_owned(),
            got: format!("{}×{} pixels ({error})", image.width, image.height),
            hint: "`--skip-broken` leaves such images out".to_owned(),
        })
    }
}

/// A pass over files; dropping it ends the decoding.
#[derive(Debug)]
pub(super) struct FileBatches {
    source: Arc<FileSource>,
    look: Look,
    /// Rows of the batches that nobody has begun, last one first.
    waiting: Vec<Vec<u32>>,
    begun: VecDeque<Receiver<Result<Vec<u8>, ExtractError>>>,
    stopped: Arc<AtomicBool>,
}

impl FileBatches {
    pub(super) fn new(source: Arc<FileSource>, look: Look, order: &[u32], cuts: &[Range<usize>]) -> Self {
        let rows = |cut: &Range<usize>| order.get(cut.clone()).unwrap_or_default().to_vec();
        let waiting = cuts.iter().rev().map(rows).collect();
        let mut batches =
            Self { source, look, waiting, begun: VecDeque::new(), stopped: Arc::new(AtomicBool::new(false)) };
        batches.begin_more();
        batches
    }

    /// Side of the square images.
    pub(super) fn side(&self) -> usize {
        self.source.photo.crop
    }

    /// Pixels `[B, side, side, 3]` of the next batch; waits until it is decoded.
    pub(super) fn next_pixels(&mut self) -> Result<Vec<u8>, ExtractError> {
        let gone = || ExtractError::Worker { worker: "decoding" };
        let pixels = self.begun.pop_front().ok_or_else(gone)?.recv().map_err(|_| gone())?;
        self.begin_more();
        pixels
    }

    fn begin_more(&mut self) {
        while self.begun.len() < AHEAD
            && let Some(rows) = self.waiting.pop()
        {
            let (sender, receiver) = sync_channel(1);
            let (source, look, stopped) = (self.source.clone(), self.look, self.stopped.clone());
            rayon::spawn_fifo(move || {
                // Nobody waits for it where the pass was dropped.
                let _ = sender.send(source.decode(look, &rows, &stopped));
            });
            self.begun.push_back(receiver);
        }
    }
}

impl Drop for FileBatches {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
