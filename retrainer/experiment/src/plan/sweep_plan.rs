//! The plan of a sweep: what will run, in which groups, what it needs at least. A value that prints.

use super::{
    conditions::{Conditions, needs_stage1},
    cost::flops,
    deal::dealt,
    error::PlanError,
    grid::Grid,
    group::{GroupKey, Place, PlannedHead, PlannedWork, group, place},
    point::Point,
    precision::Precision,
    shape::CacheShape,
    skipped::Skipped,
};
use crate::{
    methods::{Init, SgdSettings, TrainView},
    protocol::{HeldOut, Protocols, Score},
    records::{self, AskedHead},
    spec::{ClosedForm, HeadSpec, Recipe, Untrained},
};
use cache::{FeatureCache, Shot, Split, View};
use program::partition::Partition;
use std::fmt;

/// What a sweep may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Workers side by side.
    pub workers: usize,
    /// Bytes of weights and momentum that one group may have.
    pub group_bytes: usize,
}

impl Resources {
    /// Heads whose weights and momentum fit into a group.
    pub fn heads_per_group(&self, shape: CacheShape) -> usize {
        (self.group_bytes / (8 * shape.dim * shape.classes).max(1)).clamp(1, 4096)
    }
}

/// Copies of a head's weights that exist at once at most: start, weights, momentum, two snapshots of chosen epochs, three
/// heads that are measured and handed on, and two while one becomes the other.
const HEAD_COPIES: usize = 10;

/// What the program and libtorch hold before any work: measured, rounded up.
const LIBRARIES: usize = 100_000_000;

/// What a sweep will do.
#[derive(Clone, Debug)]
pub struct SweepPlan {
    /// Identity of the features.
    pub cache_key: String,
    /// Sizes.
    pub shape: CacheShape,
    /// The work, in order.
    pub work: Vec<PlannedWork>,
    /// All heads of the grid, with the part that each is in.
    pub asked: Vec<AskedHead>,
    /// Heads of the grid that were already done.
    pub done: usize,
    /// Bytes of the plan itself while it was made.
    bytes: usize,
    /// What the user should know before it runs, each thing once.
    pub warnings: Vec<String>,
    /// What it may use.
    pub resources: Resources,
    /// What decides all results alike.
    pub conditions: Conditions,
    /// What is recorded beside the last epoch.
    pub protocols: Protocols,
}

impl SweepPlan {
    /// Plans a grid on a cache; `precision` is part of each run's identity.
    ///
    /// # Errors
    /// [`PlanError`] where the cache lacks what a method needs.
    pub fn new(
        grid: &Grid,
        cache: &FeatureCache,
        precision: Precision,
        resources: Resources,
    ) -> Result<Self, PlanError> {
        Self::part(grid, cache, precision, resources, Partition::WHOLE)
    }

    /// Plans a part of a grid: which heads are in it is the same on every machine, whatever it may use and whatever is done.
    ///
    /// # Errors
    /// [`PlanError`] where the cache lacks what a method needs.
    pub fn part(
        grid: &Grid,
        cache: &FeatureCache,
        precision: Precision,
        resources: Resources,
        part: Partition,
    ) -> Result<Self, PlanError> {
        let shape = CacheShape::of(cache);
        for split in [Split::Train, Split::Test] {
            if !cache.has(split, View::Clean) {
                return Err(PlanError::MissingSplit { split });
            }
        }
        let validated = cache.has(Split::Val, View::Clean);
        let protocols = grid.protocols.clone().unwrap_or_else(|| Protocols::allowed(validated));
        if !protocols.scores(HeldOut::Val).is_empty() && !validated {
            return Err(PlanError::MissingSplit { split: Split::Val });
        }
        if protocols.scores(HeldOut::Val).contains(&Score::Few) && !has_few_shot(cache) {
            return Err(PlanError::NoFewShot);
        }
        let cache_key = cache.cache_key();
        let conditions = Conditions {
            test_time_augmentation: grid.test_time_augmentation && cache.has(Split::Test, View::Flipped),
            precision,
            normalise: grid.normalise,
            stage1_head: cache.adopted_head().map(str::to_owned),
        };
        let (mut warnings, mut skipped) = (Vec::new(), Skipped::default());
        let mut heads: Vec<(Place, PlannedHead)> = Vec::with_capacity(grid.points.len());
        for point in &grid.points {
            let spec = point.params.build(cache.class_counts());
            if let Err(error) = check(point, &spec, cache) {
                skipped.add(point, error);
                continue;
            }
            warn(&mut warnings, point, &spec);
            let params = conditions.params(point, &spec);
            let run_id =
                records::run_id(&cache_key, point.method.name, &params, point.seed, precision.name());
            let head = PlannedHead { point: point.clone(), run_id: run_id.into() };
            heads.push((place(point, &spec, precision), head));
        }
        warnings.extend(skipped.line(heads.len())?);
        let bytes = planning_bytes(&heads);
        // Heads that need the same passes stand together: a group pays for a pass as soon as one of its heads needs it. Heads
        // without training come first.
        heads.sort_by_key(|(place, _)| *place);
        let (heads, asked) = dealt(heads, part, |key, heads| flops(shape, &protocols, key, heads));
        let work = group(heads, resources.heads_per_group(shape), resources.workers);
        Ok(Self { cache_key, shape, work, asked, done: 0, bytes, warnings, resources, conditions, protocols })
    }

    /// Leaves out heads that are done, in their groups' places, so that a resumed sweep computes what an uninterrupted one does.
    #[must_use]
    pub fn without(mut self, is_done: impl Fn(&str) -> bool) -> Self {
        let before = self.heads();
        for work in &mut self.work {
            work.heads.retain(|head| !is_done(&head.run_id));
        }
        self.work.retain(|work| !work.heads.is_empty());
        self.done += before - self.heads();
        self
    }

    /// Heads still to do.
    pub fn heads(&self) -> usize {
        self.work.iter().map(|work| work.heads.len()).sum()
    }

    /// The runs of the heads still to do.
    pub fn run_ids(&self) -> impl Iterator<Item = &str> {
        self.work.iter().flat_map(|work| &work.heads).map(|head| &*head.run_id)
    }

    /// Whether a head trains on augmented views.
    pub fn reads_augmented_views(&self) -> bool {
        let augmented = |key: GroupKey| key.stream.view == TrainView::Augmented;
        self.work.iter().any(|work| work.key.is_some_and(augmented))
    }

    /// Steps of the progress bar: one a head and epoch; evaluation alone counts as one.
    pub fn head_epochs(&self) -> usize {
        let epochs = |work: &PlannedWork| work.key.map_or(1, |key| key.stream.epochs);
        self.work.iter().map(|work| work.heads.len() * epochs(work)).sum()
    }

    /// Floating-point operations of the matrix products: forward and backward of training, forward of evaluation.
    pub fn flops(&self) -> f64 {
        let work = |work: &PlannedWork| flops(self.shape, &self.protocols, work.key, work.heads.len());
        // From 0.0: the sum of no numbers is −0.0.
        self.work.iter().map(work).fold(0.0, |sum, flops| sum + flops)
    }

    /// Bytes beside the mapped cache at most: the plan, and what the workers hold: weights, momentum, two snapshots, logits,
    /// and the stage-1 logits that a worker keeps.
    pub fn memory(&self) -> usize {
        let shape = self.shape;
        let group = |work: &PlannedWork| {
            let heads = work.heads.len();
            let weights = 4 * shape.dim * shape.classes * heads;
            let (batch, whole, kept) = match work.key {
                Some(key) => {
                    let batch = key.stream.batch_size.min(shape.samples);
                    let kept = key.classifier.reads_base_logits_alone();
                    (
                        batch,
                        key.whole_batches,
                        if kept { super::memory::kept_logits(shape.samples, shape.classes) } else { 0 },
                    )
                }
                None => (0, false, 0),
            };
            let most = if whole { batch } else { super::memory::rows_at_once(heads * shape.classes) };
            let rows = most.min(batch.max(super::memory::EVALUATION_ROWS));
            HEAD_COPIES * weights + 3 * 4 * rows * heads * shape.classes + 8 * rows * shape.dim + 4 * kept
        };
        let mut groups: Vec<usize> = self.work.iter().map(group).collect();
        groups.sort_unstable_by(|one, two| two.cmp(one));
        // Each worker holds the stage-1 head as tensors, the cache once as numbers.
        let stage1 = (2 * self.resources.workers + 1) * 4 * shape.dim * shape.classes;
        groups.into_iter().take(self.resources.workers).sum::<usize>() + stage1 + self.bytes + LIBRARIES
    }
}

/// Bytes that a plan of these heads takes while it is made: the grid's points with their parameters, which neighbours that
/// differ in their seeds share, digests by which repeated points are known, and the heads, unsorted and sorted.
fn planning_bytes(heads: &[(Place, PlannedHead)]) -> usize {
    const RUN_ID: usize = 48; // 32 digits and what the allocator adds
    const DIGEST: usize = 64; // 32 bytes in a table that is half full
    let own = |index: usize, head: &PlannedHead| {
        let before = index.checked_sub(1).and_then(|before| heads.get(before));
        let shared = before.is_some_and(|(_, other)| other.point.params.shared_with(&head.point.params));
        if shared { 0 } else { head.point.params.bytes() }
    };
    let params: usize = heads.iter().enumerate().map(|(index, (_, head))| own(index, head)).sum();
    let each = size_of::<Point>()
        + size_of::<AskedHead>()
        + 2 * RUN_ID
        + DIGEST
        + 2 * size_of::<(Place, PlannedHead)>();
    params + heads.len() * each
}

/// Adds what a user should know of a head before it runs, each thing once.
fn warn(warnings: &mut Vec<String>, point: &Point, spec: &HeadSpec) {
    for warning in corrected_twice(point, spec).into_iter().chain(rate_of_another_batch(point)) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

/// A method whose class sizes are corrected twice: by the sampler and by the loss.
///
/// # Source
/// The authors of Balanced Softmax shipped such a configuration by mistake.
fn corrected_twice(point: &Point, spec: &HeadSpec) -> Option<String> {
    let twice = spec.trained().is_some_and(Recipe::corrects_class_sizes)
        && point.params.sgd().is_some_and(|settings| settings.sampler().balances_classes());
    let name = point.method.name;
    twice.then(|| {
        format!("`{name}` corrects for class sizes twice: by its class-balancing sampler and by its loss")
    })
}

/// A learning rate that the method publishes for batches of another size: it goes with the batch.
fn rate_of_another_batch(point: &Point) -> Option<String> {
    let (published, settings) = point.method.sgd_settings().zip(point.params.sgd())?;
    let (lr, batch, own) = (published.lr, published.batch_size, settings.batch_size);
    let published = lr != SgdSettings::DEFAULT.lr && batch != SgdSettings::DEFAULT.batch_size;
    (published && settings.lr == lr && own != batch).then(|| {
        let name = point.method.name;
        let scaled = crate::methods::number(lr * own as f64 / batch as f64);
        format!(
            "`{name}` has its published learning rate {lr}, which is for batches of {batch}, at batches of {own}: \
             by the linear rule it would be {scaled}"
        )
    })
}

/// Whether validation has an image of a few-shot class.
fn has_few_shot(cache: &FeatureCache) -> bool {
    let counts = cache.class_counts().counts();
    let is_few = |class: usize| counts.get(class).is_some_and(|&count| Shot::of(count) == Shot::Few);
    cache.labels(Split::Val).iter().any(|label| is_few(label.index()))
}

fn check(point: &Point, spec: &HeadSpec, cache: &FeatureCache) -> Result<(), PlanError> {
    let method = point.method.name;
    let finite = match spec {
        HeadSpec::Untrained(Untrained::Adjusted(change)) => change.is_finite(),
        HeadSpec::Untrained(Untrained::ClosedForm(
            ClosedForm::Ridge { .. } | ClosedForm::ClassMeans(_) | ClosedForm::Gda { .. },
        )) => cache.class_counts().missing().is_empty(),
        HeadSpec::Sgd(recipe) => {
            let settings = point.params.sgd();
            let augmented = settings.is_some_and(|settings| settings.view == TrainView::Augmented);
            if augmented && !cache.has(Split::Train, View::Augmented(0)) {
                return Err(PlanError::MissingAugmented { method });
            }
            let at_means = settings.is_some_and(|settings| settings.init == Init::ClassMean);
            recipe.is_finite() && (!at_means || cache.class_counts().missing().is_empty())
        }
    };
    if needs_stage1(point, spec) && cache.stage1_head().is_none() {
        return Err(PlanError::MissingHead { method });
    }
    let missing = cache.class_counts().missing();
    match (finite, missing.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => Err(PlanError::NotFinite { method, params: point.params.to_string() }),
        (false, false) => {
            let classes: Vec<String> = missing.iter().take(10).map(ToString::to_string).collect();
            let more = missing.len().saturating_sub(classes.len());
            let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
            Err(PlanError::EmptyClasses { methods: vec![method], classes: classes.join(", ") + &tail })
        }
    }
}

impl fmt::Display for SweepPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.shape;
        writeln!(f, "cache     {}", self.cache_key.get(..16).unwrap_or(&self.cache_key))?;
        writeln!(
            f,
            "features  N = {}, D = {}, C = {}; val {}, test {}{}",
            shape.samples,
            shape.dim,
            shape.classes,
            shape.val,
            shape.test,
            if self.conditions.test_time_augmentation { ", clean + flipped" } else { "" }
        )?;
        writeln!(f, "heads     {} to do, {} done", self.heads(), self.done)?;
        let widest = self.work.iter().map(|work| work.heads.len()).max().unwrap_or(0);
        writeln!(
            f,
            "groups    {} of up to {widest} heads, {} workers",
            self.work.len(),
            self.resources.workers
        )?;
        writeln!(f, "memory    {:.0} MB beside the mapped cache", self.memory() as f64 / 1e6)?;
        write!(f, "work      {:.3} GFLOP in matrix products", self.flops() / 1e9)?;
        match self.conditions.precision {
            Precision::F32 => Ok(()),
            narrow => write!(f, " of {} inputs", narrow.name()),
        }
    }
}
