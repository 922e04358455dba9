//! One thread owns the device, another converts and writes; a bounded channel between them keeps memory small.
//!
//! ```text
//! images in memory ─▶ batch ─▶ transform ─▶ backbone ─▶ f32 rows ══ channel ══▶ f16 ─▶ shard ─▶ rename
//! ```

use super::{DumpSettings, Frozen, views::PlannedView};
use crate::{ExtractError, datasets::ImageSet, transform::Draws, weights::tensor_from_bytes};
use shared::{BatchNormMode, CacheWriter, View, interrupt::Interrupt, progress::Progress};
use std::{
    ops::Range,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};
use tch::{Device, Kind, Tensor};

/// Batches that wait for the writer at most.
const WAITING_BATCHES: usize = 4;

/// A part of the work that has not been written yet: one shard of one view.
#[derive(Clone, Debug)]
struct MissingShard {
    view: usize,
    index: usize,
    rows: Range<usize>,
}

/// Features on their way to the writer.
#[derive(Debug)]
struct Batch {
    view: usize,
    shard: usize,
    /// `[rows, D]`, row-major.
    features: Vec<f32>,
    last_of_shard: bool,
}

/// Computes and writes every shard that is not there yet.
pub(super) fn run(
    frozen: &Frozen,
    settings: &DumpSettings,
    writer: &CacheWriter,
    views: &[PlannedView<'_>],
    interrupt: &Interrupt,
) -> Result<(), ExtractError> {
    let missing = missing_shards(writer, views)?;
    let (sender, receiver) = sync_channel(WAITING_BATCHES);
    thread::scope(|scope| {
        let writing = scope.spawn(move || write(writer, views, receiver));
        let computed = compute(frozen, settings, views, &missing, &sender, interrupt);
        drop(sender);
        // A writer that failed is why the other side could not send: its error comes first.
        writing.join().map_err(|_| ExtractError::Worker { worker: "writer" })??;
        computed
    })
}

fn missing_shards(
    writer: &CacheWriter,
    views: &[PlannedView<'_>],
) -> Result<Vec<MissingShard>, ExtractError> {
    let mut missing = Vec::new();
    for (view, planned) in views.iter().enumerate() {
        let shards = planned.plan.shards();
        for index in writer.missing_shards(&planned.plan)? {
            if let Some(rows) = shards.get(index).cloned() {
                missing.push(MissingShard { view, index, rows });
            }
        }
    }
    Ok(missing)
}

/// The device's side: features of every missing shard, in order.
fn compute(
    frozen: &Frozen,
    settings: &DumpSettings,
    views: &[PlannedView<'_>],
    missing: &[MissingShard],
    sender: &SyncSender<Batch>,
    interrupt: &Interrupt,
) -> Result<(), ExtractError> {
    let _guard = tch::no_grad_guard();
    let total = missing.iter().map(|shard| shard.rows.len() as u64).sum();
    let mut progress = Progress::new("dump", total);
    for shard in missing {
        let Some(planned) = views.get(shard.view) else { continue };
        progress.note(&planned.plan.id.to_string());
        let draws = draws(frozen, settings, planned)?;
        let step = settings.batch_size.max(1);
        // A shard without rows is written, too: one empty batch.
        let starts =
            shard.rows.clone().step_by(step).chain(shard.rows.is_empty().then_some(shard.rows.start));
        for start in starts {
            if interrupt.requested() {
                return Err(ExtractError::Interrupted { state: "finished shards are on disk".to_owned() });
            }
            let rows = start..shard.rows.end.min(start.saturating_add(step));
            let features = features(frozen, planned, draws.as_ref(), &rows)
                .map_err(ExtractError::torch(format!("compute features of `{}`", planned.plan.id)))?;
            let last_of_shard = rows.end == shard.rows.end;
            let batch = Batch { view: shard.view, shard: shard.index, features, last_of_shard };
            sender.send(batch).map_err(|_| ExtractError::Worker { worker: "writer" })?;
            progress.advance(rows.len() as u64);
        }
    }
    progress.finish();
    Ok(())
}

/// The random crops and flips of an augmented view: a function of seed and view alone, whichever shards are missing.
fn draws(
    frozen: &Frozen,
    settings: &DumpSettings,
    planned: &PlannedView<'_>,
) -> Result<Option<Draws>, ExtractError> {
    let View::Augmented(k) = planned.plan.id.view else { return Ok(None) };
    let device = frozen.backbone.compute().device;
    Draws::new(settings.seed, "augmented view", k.into(), planned.images.len(), frozen.transform.pad, device)
        .map(Some)
        .map_err(ExtractError::torch("draw crops and flips"))
}

fn features(
    frozen: &Frozen,
    planned: &PlannedView<'_>,
    draws: Option<&Draws>,
    rows: &Range<usize>,
) -> Result<Vec<f32>, tch::TchError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let images = batch(planned.images, rows)?.f_to(frozen.backbone.compute().device)?; // [B, 3, H, W] u8
    let input = match (planned.plan.id.view, draws) {
        (View::Flipped, _) => frozen.transform.flipped(&images)?,
        (View::Augmented(_), Some(draws)) => {
            frozen.transform.augmented(&images, &draws.range(to_i64(rows.start), to_i64(rows.len()))?)?
        }
        (View::Clean | View::Augmented(_), _) => frozen.transform.clean(&images)?,
    };
    let features = frozen.backbone.features(&input, BatchNormMode::Eval)?; // [B, D] f32
    // Waits for the device.
    Vec::try_from(features.f_to(Device::Cpu)?.f_reshape([-1])?)
}

fn batch(images: &ImageSet, rows: &Range<usize>) -> Result<Tensor, tch::TchError> {
    let bytes = images.image_bytes();
    let pixels = images.pixels.get(rows.start * bytes..rows.end * bytes).unwrap_or_default();
    // Checks that there are as many bytes as the shape says.
    tensor_from_bytes(pixels, &[rows.len(), 3, images.height, images.width].map(to_i64), Kind::Uint8)
}

/// Sizes of things in memory fit an i64.
fn to_i64(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The disk's side: ends when the sender is gone; a shard that is not whole then is dropped.
fn write(
    writer: &CacheWriter,
    views: &[PlannedView<'_>],
    batches: Receiver<Batch>,
) -> Result<(), ExtractError> {
    let mut open = None;
    for batch in batches {
        let Some(planned) = views.get(batch.view) else { continue };
        let mut shard = match open.take() {
            Some(shard) => shard,
            None => writer.shard(&planned.plan, batch.shard)?,
        };
        shard.push(&batch.features)?;
        if batch.last_of_shard {
            shard.finish()?;
        } else {
            open = Some(shard);
        }
    }
    Ok(())
}
