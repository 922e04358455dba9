//! Which heads train together: those that share every batch.

use crate::{
    head::{Classifier, Family, Fit, HeadSpec, Recipe},
    methods::{Exact, Sampler, SgdSettings, TrainView},
    plan::{Point, Precision},
};
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
            sampler: settings.sampler,
            seed,
        };
        Self {
            stream,
            classifier: recipe.classifier,
            family: recipe.loss.family,
            whole_batches: recipe.loss.lader.is_some(),
            momentum: Exact::new(settings.momentum),
            precision,
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
    /// What the method decided.
    pub spec: HeadSpec,
}

/// A head that SGD trains.
#[derive(Clone, Debug)]
pub struct HeadJob {
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
    /// Heads without training (adjusted or in closed form), evaluated together.
    PostHoc(Vec<HeadTask>),
    /// Heads that share every batch, trained by one wide GEMM.
    Sgd {
        /// What they share.
        key: GroupKey,
        /// The heads.
        heads: Vec<HeadJob>,
    },
}

impl Work {
    /// Number of heads.
    pub fn heads(&self) -> usize {
        match self {
            Self::PostHoc(heads) => heads.len(),
            Self::Sgd { heads, .. } => heads.len(),
        }
    }

    /// The heads' tasks.
    pub fn tasks(&self) -> Box<dyn Iterator<Item = &HeadTask> + '_> {
        match self {
            Self::PostHoc(heads) => Box::new(heads.iter()),
            Self::Sgd { heads, .. } => Box::new(heads.iter().map(|head| &head.task)),
        }
    }

    /// Keeps the heads that `keep` wants.
    #[must_use]
    pub fn retain(self, keep: impl Fn(&HeadTask) -> bool) -> Self {
        match self {
            Self::PostHoc(heads) => Self::PostHoc(heads.into_iter().filter(keep).collect()),
            Self::Sgd { key, heads } => {
                Self::Sgd { key, heads: heads.into_iter().filter(|head| keep(&head.task)).collect() }
            }
        }
    }
}

/// Cuts tasks into work: heads that share batches side by side, at most `heads_per_group` in a group, and as many groups of
/// one key as fill all workers evenly.
pub(super) fn group(
    tasks: Vec<HeadTask>,
    heads_per_group: usize,
    workers: usize,
    precision: Precision,
) -> Vec<Work> {
    let mut post_hoc = Vec::new();
    let mut jobs: Vec<(GroupKey, HeadJob)> = Vec::new();
    for task in tasks {
        match &task.spec.fit {
            Fit::PostHoc(_) | Fit::ClosedForm(_) => post_hoc.push(task),
            Fit::Sgd(recipe) => {
                let (recipe, settings) = (Arc::clone(recipe), SgdSettings::from_params(&task.point.params));
                let key = GroupKey::new(&recipe, &settings, task.point.seed, precision);
                jobs.push((key, HeadJob { task, recipe, settings }));
            }
        }
    }
    // Heads that need the same passes stand together: a group pays for a pass as soon as one of its heads needs it.
    jobs.sort_by_key(|(key, job)| (*key, passes(job)));
    let mut work: Vec<Work> = chunks(post_hoc, heads_per_group, 1).into_iter().map(Work::PostHoc).collect();
    for same in jobs.chunk_by(|one, two| one.0 == two.0) {
        let Some((key, _)) = same.first() else { continue };
        let heads: Vec<HeadJob> = same.iter().map(|(_, job)| job.clone()).collect();
        work.extend(
            chunks(heads, heads_per_group, workers).into_iter().map(|heads| Work::Sgd { key: *key, heads }),
        );
    }
    work
}

/// The elementwise passes that a head needs beyond plain cross-entropy, most expensive first.
fn passes(job: &HeadJob) -> [bool; 5] {
    let loss = &job.recipe.loss;
    let differs = |values: &[f64], neutral: f64| values.iter().any(|&value| value != neutral);
    [
        job.recipe.max_norm.is_some_and(|max_norm| max_norm.threshold.is_finite()),
        loss.focal != 0.0,
        differs(&loss.scale, 1.0),
        job.settings.weight_decay != 0.0,
        differs(&loss.weight, 1.0) || differs(&loss.smoothing, 0.0),
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
