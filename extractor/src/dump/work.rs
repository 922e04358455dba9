//! What is left to compute, in the order in which it must be.

use super::views::PlannedView;
use cache::{CacheError, ShardStore, Split, View};
use program::partition::Partition;
use std::ops::Range;

/// A part of a dump that has not been written yet.
#[derive(Debug)]
pub(super) enum Work {
    /// One shard of a view, each row on its own: running statistics normalise.
    Shard {
        /// Index into the planned views.
        view: usize,
        /// The shard.
        index: usize,
        /// Its rows.
        rows: Range<usize>,
    },
    /// A whole training view in shuffled batches, each normalised by its own statistics.
    Pass {
        /// Index into the planned views.
        view: usize,
        /// The shards that are not on disk; none where only the statistics are.
        shards: Vec<usize>,
        /// Whether the running statistics move.
        statistics: Statistics,
    },
}

/// What a pass does to the running statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statistics {
    /// It moves them, as an epoch of stage 2 does.
    Move,
    /// They stay: the pass has moved them before, or none trains on this view.
    Stay,
}

impl Work {
    /// Index into the planned views.
    pub(super) fn view(&self) -> usize {
        match self {
            Self::Shard { view, .. } | Self::Pass { view, .. } => *view,
        }
    }

    /// Images to compute.
    pub(super) fn images(&self, views: &[PlannedView<'_>]) -> u64 {
        match self {
            Self::Shard { rows, .. } => rows.len() as u64,
            Self::Pass { view, .. } => views.get(*view).map_or(0, |view| view.plan.labels.len() as u64),
        }
    }
}

/// The missing shards of every view that are in this part, for running statistics that stay as they are.
pub(super) fn shards(
    writer: &dyn ShardStore,
    views: &[PlannedView<'_>],
    part: Partition,
) -> Result<Vec<Work>, CacheError> {
    let mut work = Vec::new();
    // The number, in the whole dump, of a view's first shard.
    let mut first = 0;
    for (view, planned) in views.iter().enumerate() {
        let missing = shards_of(writer, views, view)?.into_iter();
        work.extend(
            missing.filter(|work| matches!(work, Work::Shard { index, .. } if part.has(first + index))),
        );
        first += planned.plan.shards().len();
    }
    Ok(work)
}

/// First the passes over the training views, `done` of which have moved the statistics already, then what they decide.
pub(super) fn passes(
    writer: &dyn ShardStore,
    views: &[PlannedView<'_>],
    done: usize,
) -> Result<Vec<Work>, CacheError> {
    let of_split = |training: bool| {
        let same = move |view: &PlannedView<'_>| (view.plan.id.split == Split::Train) == training;
        (0..views.len()).filter(move |&view| views.get(view).is_some_and(same))
    };
    let augmented =
        |view: usize| views.get(view).is_some_and(|view| matches!(view.plan.id.view, View::Augmented(_)));
    let any = of_split(true).any(augmented);
    // Heads train on the augmented views, or on the clean one where there are none.
    let (trained_on, others): (Vec<usize>, Vec<usize>) =
        of_split(true).partition(|&view| !any || augmented(view));
    let mut work = Vec::new();
    for (pass, view) in trained_on.into_iter().enumerate() {
        let statistics = if pass < done { Statistics::Stay } else { Statistics::Move };
        let shards = missing(writer, views, view)?;
        if statistics == Statistics::Move || !shards.is_empty() {
            work.push(Work::Pass { view, shards, statistics });
        }
    }
    for view in others {
        let shards = missing(writer, views, view)?;
        if !shards.is_empty() {
            work.push(Work::Pass { view, shards, statistics: Statistics::Stay });
        }
    }
    for view in of_split(false) {
        work.extend(shards_of(writer, views, view)?);
    }
    Ok(work)
}

fn missing(
    writer: &dyn ShardStore,
    views: &[PlannedView<'_>],
    view: usize,
) -> Result<Vec<usize>, CacheError> {
    views.get(view).map_or_else(|| Ok(Vec::new()), |planned| writer.missing_shards(&planned.plan))
}

fn shards_of(
    writer: &dyn ShardStore,
    views: &[PlannedView<'_>],
    view: usize,
) -> Result<Vec<Work>, CacheError> {
    let ranges = views.get(view).map_or_else(Vec::new, |planned| planned.plan.shards());
    let missing = missing(writer, views, view)?.into_iter();
    Ok(missing
        .filter_map(|index| Some(Work::Shard { view, index, rows: ranges.get(index)?.clone() }))
        .collect())
}
