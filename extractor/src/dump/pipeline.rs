//! One thread owns the device, another converts and writes; a bounded channel between them keeps memory small.
//!
//! ```text
//! batches of images ─▶ backbone ─▶ f32 rows ══ channel ══▶ f16 ─▶ shard ─▶ rename
//! ```

use super::{
    DumpSettings, Frozen,
    batch_norm::{self, Drift},
    scratch::Scratch,
    views::PlannedView,
    waiting::Waiting,
    work::{self, Statistics, Work},
};
use crate::{
    ExtractError,
    batches::{Batch, Look, Source},
};
use cache::{BatchNormMode, ShardStore, Split, View};
use program::{interrupt::Interrupt, progress::Progress};
use std::{
    ops::Range,
    rc::Rc,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};
use tch::{TchError, Tensor};

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
    writer: &dyn ShardStore,
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
        let side = DeviceSide {
            frozen,
            settings,
            sender,
            interrupt,
            progress: Progress::new("dump", images),
            source: None,
        };
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
    /// The images of the split that was computed last.
    source: Option<(Split, Rc<Source>)>,
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
        // A shard without rows is written, too: one empty batch.
        if rows.is_empty() {
            return self.send(Piece::Rows { view, shard, features: Vec::new(), last_of_shard: true });
        }
        let step = self.settings.batch_size.max(1);
        let order: Vec<u32> = (0_u32..).take(planned.images.len()).collect();
        let cuts = rows.clone().step_by(step).map(|start| start..rows.end.min(start.saturating_add(step)));
        self.each(planned, &order, cuts.collect(), BatchNormMode::Eval, |side, done, features| {
            side.send(Piece::Rows { view, shard, features, last_of_shard: done.end == rows.end })
        })
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
        let order = batch_norm::order(self.settings.seed, planned.plan.id, planned.images.len());
        let cuts = batch_norm::batches(order.len(), self.settings.train_batch_size);
        self.each(planned, &order, cuts, BatchNormMode::Train, |side, done, features| {
            if shards.is_empty() {
                return Ok(());
            }
            let rows = order.get(done).unwrap_or_default().iter().map(|&row| row as usize).collect();
            side.send(Piece::Scattered { rows, features })
        })?;
        match statistics {
            Statistics::Move => drift.advance()?,
            Statistics::Stay => {
                drift.restore(&before).map_err(ExtractError::torch("restore the running statistics"))?;
            }
        }
        if shards.is_empty() { Ok(()) } else { self.send(Piece::Gathered { view, shards: shards.to_vec() }) }
    }

    /// Computes the batches of a view that consecutive `cuts` take from `order`; `deliver` gets the features of several at a
    /// time, with their range of `order`.
    fn each(
        &mut self,
        planned: &PlannedView<'_>,
        order: &[u32],
        cuts: Vec<Range<usize>>,
        batch_norm: BatchNormMode,
        deliver: impl Fn(&Self, Range<usize>, Vec<f32>) -> Result<(), ExtractError>,
    ) -> Result<(), ExtractError> {
        let source = self.source(planned)?;
        let end = cuts.last().map_or(0, |cut| cut.end);
        let mut batches = source.batches(self.look(planned), order, cuts.iter().cloned())?;
        let mut waiting = Waiting::default();
        for cut in cuts {
            let Some(features) = self.features(planned, batches.next(), batch_norm)? else { break };
            let last = cut.end == end;
            waiting.push(cut, features);
            if last || waiting.is_full() {
                let (done, features) = waiting.take().map_err(failed(planned))?;
                self.progress.advance(done.len() as u64);
                deliver(self, done, features)?;
            }
        }
        Ok(())
    }

    fn send(&self, piece: Piece) -> Result<(), ExtractError> {
        self.sender.send(piece).map_err(|_| ExtractError::Worker { worker: "writer" })
    }

    /// The images of a view; training views share theirs, and so do the held-out ones of a split.
    fn source(&mut self, planned: &PlannedView<'_>) -> Result<Rc<Source>, ExtractError> {
        let split = planned.plan.id.split;
        if let Some((_, source)) = self.source.as_ref().filter(|(of, _)| *of == split) {
            return Ok(source.clone());
        }
        self.source = None; // Its memory is needed for the next one.
        let device = self.frozen.backbone.compute().device;
        let source = Rc::new(Source::new(planned.images, &self.frozen.transform, device)?);
        self.source = Some((split, source.clone()));
        Ok(source)
    }

    /// What a view does to its images: a function of seed and view alone, whichever shards are missing.
    fn look(&self, planned: &PlannedView<'_>) -> Look {
        match planned.plan.id.view {
            View::Clean => Look::Clean,
            View::Flipped => Look::Flipped,
            View::Augmented(k) => {
                Look::Augmented { seed: self.settings.seed, purpose: "augmented view", index: k.into() }
            }
        }
    }

    /// Features of a batch of a view, `[B, D]` f32 on the device, which may still be at it; `None` after the last one.
    fn features(
        &self,
        planned: &PlannedView<'_>,
        batch: Option<Result<Batch, ExtractError>>,
        batch_norm: BatchNormMode,
    ) -> Result<Option<Tensor>, ExtractError> {
        if self.interrupt.requested() {
            return Err(ExtractError::Interrupted { state: "finished shards are on disk".to_owned() });
        }
        let Some(batch) = batch.transpose()? else { return Ok(None) };
        let features = self.frozen.backbone.features(&batch.input, batch_norm);
        features.map(Some).map_err(failed(planned))
    }
}

fn failed(planned: &PlannedView<'_>) -> impl FnOnce(TchError) -> ExtractError {
    ExtractError::torch(format!("compute features of `{}`", planned.plan.id))
}

/// The disk's side: ends when the sender is gone; a shard that is not whole then is dropped.
fn write(
    writer: &dyn ShardStore,
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
    writer: &dyn ShardStore,
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
