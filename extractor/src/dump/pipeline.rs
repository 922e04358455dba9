//! One thread owns the device, another converts and writes; a bounded channel between them keeps memory small.
//!
//! ```text
//! images in memory ─▶ batch ─▶ transform ─▶ backbone ─▶ f32 rows ══ channel ══▶ f16 ─▶ shard ─▶ rename
//! ```

use super::{
    DumpSettings, Frozen,
    batch_norm::{self, Drift},
    scratch::Scratch,
    views::PlannedView,
    work::{self, Statistics, Work},
};
use crate::{ExtractError, datasets::ImageSet, transform::Draws, weights::tensor_from_bytes};
use shared::{BatchNormMode, CacheWriter, View, interrupt::Interrupt, progress::Progress};
use std::{
    ops::Range,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};
use tch::{Device, Kind, TchError, Tensor};

/// Batches that wait for the writer at most.
const WAITING_BATCHES: usize = 4;

/// Rows that the writer takes back from disk at a time.
const ROWS_AT_ONCE: usize = 4096;

/// Features on their way to the writer, `[rows, D]`, row-major.
#[derive(Debug)]
enum Piece {
    /// The next rows of a shard.
    Rows { view: usize, shard: usize, features: Vec<f32>, last_of_shard: bool },
    /// These rows of a view, in any order.
    Scattered { rows: Vec<usize>, features: Vec<f32> },
    /// All rows of the view have been sent; these shards of it are to be written.
    Gathered { view: usize, shards: Vec<usize> },
}

/// Computes and writes every shard that is not there yet.
pub(super) fn run(
    frozen: &Frozen,
    settings: &DumpSettings,
    writer: &CacheWriter,
    views: &[PlannedView<'_>],
    interrupt: &Interrupt,
) -> Result<(), ExtractError> {
    let mut drift = match settings.batch_norm {
        BatchNormMode::Eval => None,
        BatchNormMode::Train => Some(Drift::begin(&frozen.backbone, writer.statistics_path())?),
    };
    let work = match &drift {
        None => work::shards(writer, views, settings.partition)?,
        Some(drift) => work::passes(writer, views, drift.passes())?,
    };
    let (sender, receiver) = sync_channel(WAITING_BATCHES);
    thread::scope(|scope| {
        let writing = scope.spawn(move || write(writer, views, receiver));
        let images = work.iter().map(|work| work.images(views)).sum();
        let side =
            DeviceSide { frozen, settings, sender, interrupt, progress: Progress::new("dump", images) };
        let computed = side.compute(views, &work, drift.as_mut());
        // A writer that failed is why the other side could not send: its error comes first.
        writing.join().map_err(|_| ExtractError::Worker { worker: "writer" })??;
        computed
    })
}

/// The side that computes; dropping it ends the writer.
struct DeviceSide<'a> {
    frozen: &'a Frozen,
    settings: &'a DumpSettings,
    sender: SyncSender<Piece>,
    interrupt: &'a Interrupt,
    progress: Progress,
}

impl DeviceSide<'_> {
    fn compute(
        mut self,
        views: &[PlannedView<'_>],
        work: &[Work],
        mut drift: Option<&mut Drift>,
    ) -> Result<(), ExtractError> {
        let _guard = tch::no_grad_guard();
        for work in work {
            let Some(planned) = views.get(work.view()) else { continue };
            self.progress.note(&planned.plan.id.to_string());
            match (work, &mut drift) {
                (Work::Shard { view, index, rows }, _) => self.shard(planned, *view, *index, rows)?,
                (Work::Pass { view, shards, statistics }, Some(drift)) => {
                    self.pass(planned, *view, shards, *statistics, drift)?;
                }
                // Passes are planned only where statistics drift.
                (Work::Pass { .. }, None) => {}
            }
        }
        self.progress.finish();
        Ok(())
    }

    /// The rows of a shard in order, normalised by running statistics.
    fn shard(
        &mut self,
        planned: &PlannedView<'_>,
        view: usize,
        shard: usize,
        rows: &Range<usize>,
    ) -> Result<(), ExtractError> {
        let draws = self.draws(planned)?;
        let step = self.settings.batch_size.max(1);
        // A shard without rows is written, too: one empty batch.
        let starts = rows.clone().step_by(step).chain(rows.is_empty().then_some(rows.start));
        for start in starts {
            let end = rows.end.min(start.saturating_add(step));
            let batch: Vec<usize> = (start..end).collect();
            let features = self.features(planned, draws.as_ref(), &batch, BatchNormMode::Eval)?;
            self.send(Piece::Rows { view, shard, features, last_of_shard: end == rows.end })?;
            self.progress.advance(batch.len() as u64);
        }
        Ok(())
    }

    /// A training view in shuffled batches, each normalised by its own statistics.
    fn pass(
        &mut self,
        planned: &PlannedView<'_>,
        view: usize,
        shards: &[usize],
        statistics: Statistics,
        drift: &mut Drift,
    ) -> Result<(), ExtractError> {
        let before = drift.values().map_err(ExtractError::torch("copy the running statistics"))?;
        let draws = self.draws(planned)?;
        let order = batch_norm::order(self.settings.seed, planned.plan.id, planned.images.len());
        for batch in batch_norm::batches(order.len(), self.settings.train_batch_size) {
            let rows = order.get(batch).unwrap_or_default().to_vec();
            let features = self.features(planned, draws.as_ref(), &rows, BatchNormMode::Train)?;
            self.progress.advance(rows.len() as u64);
            if !shards.is_empty() {
                self.send(Piece::Scattered { rows, features })?;
            }
        }
        match statistics {
            Statistics::Move => drift.advance()?,
            Statistics::Stay => {
                drift.restore(&before).map_err(ExtractError::torch("restore the running statistics"))?;
            }
        }
        if shards.is_empty() { Ok(()) } else { self.send(Piece::Gathered { view, shards: shards.to_vec() }) }
    }

    fn send(&self, piece: Piece) -> Result<(), ExtractError> {
        self.sender.send(piece).map_err(|_| ExtractError::Worker { worker: "writer" })
    }

    /// The random crops and flips of an augmented view: a function of seed and view alone, whichever shards are missing.
    fn draws(&self, planned: &PlannedView<'_>) -> Result<Option<Draws>, ExtractError> {
        let View::Augmented(k) = planned.plan.id.view else { return Ok(None) };
        let (device, pad) = (self.frozen.backbone.compute().device, self.frozen.transform.pad);
        Draws::new(self.settings.seed, "augmented view", k.into(), planned.images.len(), pad, device)
            .map(Some)
            .map_err(ExtractError::torch("draw crops and flips"))
    }

    /// Features of these rows of a view, `[rows, D]`, row-major.
    fn features(
        &self,
        planned: &PlannedView<'_>,
        draws: Option<&Draws>,
        rows: &[usize],
        batch_norm: BatchNormMode,
    ) -> Result<Vec<f32>, ExtractError> {
        if self.interrupt.requested() {
            return Err(ExtractError::Interrupted { state: "finished shards are on disk".to_owned() });
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        features(self.frozen, planned, draws, rows, batch_norm)
            .map_err(ExtractError::torch(format!("compute features of `{}`", planned.plan.id)))
    }
}

fn features(
    frozen: &Frozen,
    planned: &PlannedView<'_>,
    draws: Option<&Draws>,
    rows: &[usize],
    batch_norm: BatchNormMode,
) -> Result<Vec<f32>, TchError> {
    let device = frozen.backbone.compute().device;
    let images = batch(planned.images, rows)?.f_to(device)?; // [B, 3, H, W] u8
    let input = match (planned.plan.id.view, draws) {
        (View::Flipped, _) => frozen.transform.flipped(&images)?,
        (View::Augmented(_), Some(draws)) => {
            let index: Vec<i64> = rows.iter().map(|&row| to_i64(row)).collect();
            frozen
                .transform
                .augmented(&images, &draws.select(&Tensor::f_from_slice(&index)?.f_to(device)?)?)?
        }
        (View::Clean | View::Augmented(_), _) => frozen.transform.clean(&images)?,
    };
    let features = frozen.backbone.features(&input, batch_norm)?; // [B, D] f32
    // Waits for the device.
    Vec::try_from(features.f_to(Device::Cpu)?.f_reshape([-1])?)
}

fn batch(images: &ImageSet, rows: &[usize]) -> Result<Tensor, TchError> {
    let bytes = images.image_bytes();
    let mut pixels = Vec::with_capacity(rows.len() * bytes);
    for row in rows {
        pixels.extend_from_slice(images.pixels.get(row * bytes..(row + 1) * bytes).unwrap_or_default());
    }
    // Checks that there are as many bytes as the shape says.
    tensor_from_bytes(&pixels, &[rows.len(), 3, images.height, images.width].map(to_i64), Kind::Uint8)
}

/// Sizes of things in memory fit an i64.
fn to_i64(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The disk's side: ends when the sender is gone; a shard that is not whole then is dropped.
fn write(
    writer: &CacheWriter,
    views: &[PlannedView<'_>],
    pieces: Receiver<Piece>,
) -> Result<(), ExtractError> {
    let (mut open, mut scratch) = (None, None);
    let dim = writer.manifest().feature_dim;
    for piece in pieces {
        match piece {
            Piece::Rows { view, shard, features, last_of_shard } => {
                let Some(planned) = views.get(view) else { continue };
                let mut shard = match open.take() {
                    Some(shard) => shard,
                    None => writer.shard(&planned.plan, shard)?,
                };
                shard.push(&features)?;
                if last_of_shard {
                    shard.finish()?;
                } else {
                    open = Some(shard);
                }
            }
            Piece::Scattered { rows, features } => {
                let scratch = match &mut scratch {
                    Some(scratch) => scratch,
                    None => scratch.insert(Scratch::new(writer.path(), dim)?),
                };
                for (row, features) in rows.into_iter().zip(features.chunks_exact(dim.max(1))) {
                    scratch.put(row, features)?;
                }
            }
            Piece::Gathered { view, shards } => {
                if let (Some(planned), Some(scratch)) = (views.get(view), scratch.take()) {
                    gather(writer, planned, &scratch, &shards)?;
                }
            }
        }
    }
    Ok(())
}

/// Writes shards of a view whose rows came in another order.
fn gather(
    writer: &CacheWriter,
    planned: &PlannedView<'_>,
    scratch: &Scratch,
    shards: &[usize],
) -> Result<(), ExtractError> {
    let ranges = planned.plan.shards();
    for &index in shards {
        let mut shard = writer.shard(&planned.plan, index)?;
        let rows = ranges.get(index).cloned().unwrap_or(0..0);
        for start in rows.clone().step_by(ROWS_AT_ONCE) {
            shard.push(&scratch.read(start, ROWS_AT_ONCE.min(rows.end - start))?)?;
        }
        shard.finish()?;
    }
    Ok(())
}
