//! Which heads train together: those that share every batch.

use crate::{
    methods::{Exact, Sampler, SgdSettings, TrainView},
    plan::{Point, Precision},
    spec::{
        Classifier, Family, HeadSpec, Recipe, Untrained,
        loss::{FOCAL, SCALE, SMOOTHING, Term, WEIGHT},
    },
};
use cache::ClassCounts;
use std::sync::Arc;

/// The stream of batches that heads share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    /// Which features.
    pub view: TrainView,
    /// How many times.
    pub epochs: usize,
    /// In steps of how many samples.
    pub batch_size: usize,
    /// Which samples.
    pub sampler: Sampler,
    /// In which order.
    pub seed: u64,
}

/// What heads of a group have in common: their stream, the classifier and the family of losses that one pass computes for
/// all of them, and the momentum that it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// The stream of batches.
    pub stream: StreamKey,
    /// What is trained.
    pub classifier: Classifier,
    /// How losses of classes become one.
    pub family: Family,
    /// Whether the loss has terms over the whole batch, which then cannot be worked on in pieces.
    pub whole_batches: bool,
    /// Momentum μ.
    pub momentum: Exact,
    /// What the products read.
    pub precision: Precision,
}

impl GroupKey {
    /// The group of a head.
    pub fn new(recipe: &Recipe, settings: &SgdSettings, seed: u64, precision: Precision) -> Self {
        let stream = StreamKey {
            view: settings.view,
            epochs: settings.epochs,
            batch_size: settings.batch_size,
            sampler: settings.sampler(),
            seed,
        };
        Self {
            stream,
            classifier: recipe.classifier,
            family: recipe.loss.family,
            whole_batches: recipe.loss.needs_whole_batches(),
            momentum: Exact::new(settings.momentum),
            precision,
        }
    }
}

/// One head of a plan, without the vectors of its loss: of a million heads with a thousand classes they would take 40 GB.
#[derive(Clone, Debug)]
pub struct PlannedHead {
    /// What was asked for.
    pub point: Point,
    /// Identity of the run.
    pub run_id: Box<str>,
}

/// A piece of work of a plan.
#[derive(Clone, Debug)]
pub struct PlannedWork {
    /// What heads that SGD trains share; `None` for heads without training.
    pub key: Option<GroupKey>,
    /// The heads.
    pub heads: Vec<PlannedHead>,
}

impl PlannedWork {
    /// The heads with what their methods decide for these class counts: ready to be done.
    pub fn prepare(self, class_counts: &ClassCounts) -> Work {
        let mut previous: Option<HeadSpec> = None;
        let (mut untrained, mut trained) = (Vec::new(), Vec::new());
        for head in self.heads {
            let built = head.point.params.build(class_counts);
            // Equal neighbours share their vectors.
            let spec = previous.take().filter(|spec| *spec == built).unwrap_or(built);
            previous = Some(spec.clone());
            let settings = head.point.params.sgd().copied();
            let task = HeadTask { point: head.point, run_id: head.run_id.into() };
            match (spec, settings) {
                (HeadSpec::Untrained(head), _) => untrained.push(UntrainedJob { task, head }),
                (HeadSpec::Sgd(recipe), Some(settings)) => {
                    trained.push(TrainedJob { task, recipe, settings });
                }
                // A test over the list of methods says so.
                (HeadSpec::Sgd(_), None) => unreachable!("a method that trains has settings of its training"),
            }
        }
        // A piece was made of heads of one kind, and what a method builds is of one kind.
        match self.key {
            None => Work::Untrained(untrained),
            Some(key) => Work::Sgd { key, heads: trained },
        }
    }
}

/// One head to do.
#[derive(Clone, Debug)]
pub struct HeadTask {
    /// What was asked for.
    pub point: Point,
    /// Identity of the run.
    pub run_id: String,
}

/// A head without training.
#[derive(Clone, Debug)]
pub struct UntrainedJob {
    /// The head.
    pub task: HeadTask,
    /// How its weights come about.
    pub head: Untrained,
}

/// A head that SGD trains.
#[derive(Clone, Debug)]
pub struct TrainedJob {
    /// The head.
    pub task: HeadTask,
    /// How it is trained.
    pub recipe: Arc<Recipe>,
    /// Its resolved SGD parameters.
    pub settings: SgdSettings,
}

/// A piece of work for one worker.
#[derive(Clone, Debug)]
pub enum Work {
    /// Heads without training, evaluated together.
    Untrained(Vec<UntrainedJob>),
    /// Heads that share every batch, trained by one wide GEMM.
    Sgd {
        /// What they share.
        key: GroupKey,
        /// The heads.
        heads: Vec<TrainedJob>,
    },
}

impl Work {
    /// Number of heads.
    pub fn heads(&self) -> usize {
        match self {
            Self::Untrained(heads) => heads.len(),
            Self::Sgd { heads, .. } => heads.len(),
        }
    }
}

/// With whom a head stands side by side: `None` without training, else its group and its [`passes`], by which heads of a group
/// are sorted.
pub(super) type Place = Option<(GroupKey, [bool; 5])>;

/// Where a head belongs.
pub(super) fn place(point: &Point, spec: &HeadSpec, precision: Precision) -> Place {
    let trained = spec.trained().zip(point.params.sgd());
    trained.map(|(recipe, settings)| {
        (GroupKey::new(recipe, settings, point.seed, precision), passes(recipe, settings))
    })
}

/// Cuts heads, in order of their places, into work: heads that share batches side by side, at most `heads_per_group` in a group, and as many groups of
/// one key as fill all workers evenly.
pub(super) fn group(
    heads: Vec<(Place, PlannedHead)>,
    heads_per_group: usize,
    workers: usize,
) -> Vec<PlannedWork> {
    let key = |(place, _): &(Place, PlannedHead)| place.map(|(key, _)| key);
    let groups: Vec<_> = heads
        .chunk_by(|one, two| key(one) == key(two))
        .map(|same| (same.first().and_then(key), same.len()))
        .collect();
    let mut heads = heads.into_iter().map(|(_, head)| head);
    let cut = |(key, count): (Option<GroupKey>, usize)| {
        let same = heads.by_ref().take(count).collect();
        let pieces = chunks(same, heads_per_group, if key.is_some() { workers } else { 1 });
        pieces.into_iter().map(move |heads| PlannedWork { key, heads })
    };
    groups.into_iter().flat_map(cut).collect()
}

/// The elementwise passes that a head needs beyond plain cross-entropy, most expensive first.
fn passes(recipe: &Recipe, settings: &SgdSettings) -> [bool; 5] {
    let acts = |term: &Term| term.acts(&recipe.loss);
    [
        recipe.max_norm.is_some_and(|max_norm| max_norm.threshold.is_finite()),
        acts(&FOCAL),
        acts(&SCALE),
        settings.weight_decay != 0.0,
        acts(&WEIGHT) || acts(&SMOOTHING),
    ]
}

/// Even pieces of at most `most` items; their number a multiple of `multiple` where there are enough items.
fn chunks<T>(items: Vec<T>, most: usize, multiple: usize) -> Vec<Vec<T>> {
    let count = items.len().div_ceil(most.max(1)).next_multiple_of(multiple.max(1)).min(items.len());
    let total = items.len();
    let mut items = items.into_iter();
    (0..count).map(|i| items.by_ref().take((i + 1) * total / count - i * total / count).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_even_and_keep_order() {
        let pieces = chunks((0..36).collect(), 16, 2);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [9, 9, 9, 9]);
        assert_eq!(pieces.concat(), (0..36).collect::<Vec<_>>());
        assert_eq!(chunks(vec![1], 16, 2), [[1]]);
        assert!(chunks(Vec::<u8>::new(), 16, 2).is_empty());
    }
}
