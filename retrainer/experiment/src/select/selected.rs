//! What a protocol selected.

use super::candidates::{Edge, Point, edges, points};
use crate::{
    metrics::{Metric, MetricValues, TOP1},
    protocol::{Chooser, HeldOut, Protocol, Score},
    records::{Params, Run, Status},
    statistics::Summary,
};
use files::Hint;
use std::sync::Arc;
use thiserror::Error;

/// Runs that a protocol cannot choose from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectError {
    /// Runs without a score of the protocol.
    #[error(
        "{missing} of {runs} finished runs on the cache `{cache}` have no validation score, for example one of `{method}`"
    )]
    NoValidation {
        /// Runs without a score.
        missing: usize,
        /// Finished runs.
        runs: usize,
        /// Method of one of them.
        method: String,
        /// Where their cache was.
        cache: String,
    },
    /// A score of the validation split for a protocol that does not choose by it.
    #[error("`{protocol}` does not choose on the validation split by `{score}`")]
    NotByScore {
        /// The protocol.
        protocol: Protocol,
        /// The score's name.
        score: &'static str,
    },
    /// Runs whose sweep did not record what the protocol reports.
    #[error(
        "{missing} of {runs} finished runs on the cache `{cache}` have no state for `{protocol}`, for example one of `{method}`"
    )]
    NotRecorded {
        /// The protocol.
        protocol: Protocol,
        /// Runs without the state.
        missing: usize,
        /// Finished runs.
        runs: usize,
        /// Method of one of them.
        method: String,
        /// Where their cache was.
        cache: String,
    },
}

impl Hint for SelectError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoValidation { .. } => {
                "use `--select last`, or make that cache again with a `val` split".to_owned()
            }
            Self::NotByScore { .. } => {
                "leave `--select` out: `--select-by` alone chooses on validation".to_owned()
            }
            Self::NotRecorded { protocol, .. } => {
                let by_score = Protocol::by_validation().find(|(by, _)| by == protocol);
                let again = by_score.map_or_else(
                    || format!("--protocols {protocol}"),
                    |(_, score)| format!("--select-by {}", score.name()),
                );
                format!(
                    "run the sweep again with `{again}`: only what is missing is done; or use `--select last`"
                )
            }
        })
    }
}

/// Test metrics of one seed of a selected point.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedResult {
    /// The run.
    pub run_id: Box<str>,
    /// Its seed.
    pub seed: u64,
    /// The epoch that the protocol chose.
    pub epoch: u32,
    /// The score that the protocol chose its state by, where it chooses.
    pub score: Option<f64>,
    /// Its test metrics.
    pub values: MetricValues,
}

/// One reportable result: a method with hyper-parameters, all its seeds, and the protocol that chose it.
///
/// Only [`select`] makes one.
///
/// ```compile_fail,E0451
/// use experiment::select::{Protocol, Selected};
/// fn my_favourite(other: Selected) -> Selected {
///     Selected { protocol: Protocol::Val, ..other }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Selected {
    method: Arc<str>,
    params: Arc<Params>,
    protocol: Protocol,
    seeds: Vec<SeedResult>,
    diverged: usize,
    points: usize,
    incomplete: usize,
    excluded: usize,
    widened: usize,
    repeated: usize,
    edges: Vec<Edge>,
    val: Option<f64>,
    last_epoch: Option<Summary>,
    seconds: Option<f64>,
}

impl Selected {
    /// Name of the method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The selected hyper-parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// How they were selected.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The finished seeds, in order of seed.
    pub fn seeds(&self) -> &[SeedResult] {
        &self.seeds
    }

    /// Seeds that diverged.
    pub fn diverged(&self) -> usize {
        self.diverged
    }

    /// Grid points of the method that this one was selected from.
    pub fn points(&self) -> usize {
        self.points
    }

    /// Points of the method with fewer seeds than another: the sweep is unfinished.
    pub(crate) fn incomplete_points(&self) -> usize {
        self.incomplete
    }

    /// Grid points of the method with a diverged seed, which were no candidates beside those without; 0 where nothing was
    /// selected.
    pub(crate) fn excluded_points(&self) -> usize {
        self.excluded
    }

    /// Grid points of the method that lie beyond an edge which validation chose, and were added for that.
    pub(crate) fn widened_points(&self) -> usize {
        self.widened
    }

    /// The seed with the best score by which the protocol chose, the first among equals.
    pub fn best_seed(&self) -> Option<&SeedResult> {
        let by = self.protocol.chooser()?.score;
        let better = |one: &SeedResult, two: &SeedResult| match (one.score, two.score) {
            (Some(one), Some(two)) => by.gain(two, one) > 0.0,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        self.seeds.iter().reduce(|best, next| if better(best, next) { next } else { best })
    }

    /// Runs left out since another run has their seed and hyper-parameters, of all points that this one was selected from.
    pub(crate) fn repeated_runs(&self) -> usize {
        self.repeated
    }

    /// Axes at whose end the selected value lies; empty where nothing was selected.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Mean validation score of the point, [`Protocol::val_score`].
    pub fn val(&self) -> Option<f64> {
        self.val
    }

    /// Test accuracy of the same runs after their last epoch, to show beside what a chosen epoch gives.
    pub(crate) fn last_epoch(&self) -> Option<Summary> {
        self.last_epoch
    }

    /// Whether the heads need no training, so that seeds change nothing.
    pub fn untrained(&self) -> bool {
        self.seeds.iter().all(|seed| seed.epoch == 0)
    }

    /// Mean time of one head, seconds.
    pub fn seconds(&self) -> Option<f64> {
        self.seconds
    }

    /// A metric over the seeds; `None` when no seed has it.
    pub fn summary(&self, metric: Metric) -> Option<Summary> {
        let values: Vec<f64> = self.seeds.iter().filter_map(|seed| seed.values.get(metric)).collect();
        // A mean over fewer seeds than the row says would be of other runs than its neighbours: old records lack newer metrics.
        (values.len() == self.seeds.len()).then(|| Summary::of(&values)).flatten()
    }

    /// Differences to another result on the seeds that both have; a head that is not trained has no seed and stands
    /// beside every one, whichever side it is on.
    pub(crate) fn paired_differences(&self, other: &Self, metric: Metric) -> Vec<f64> {
        let of_seed = |row: &Self, seed: u64| match row.seeds.as_slice() {
            [only] if row.untrained() => only.values.get(metric),
            seeds => seeds.iter().find(|result| result.seed == seed)?.values.get(metric),
        };
        let leading = if self.untrained() && self.seeds.len() == 1 { other } else { self };
        let difference =
            |result: &SeedResult| Some(of_seed(self, result.seed)? - of_seed(other, result.seed)?);
        leading.seeds.iter().filter_map(difference).collect()
    }

    fn new(method: &Arc<str>, points: &[Point<'_>], point: &Point<'_>, protocol: Protocol) -> Self {
        let result = |run: &&Run| {
            let state = run.metrics.chosen(protocol)?;
            let values = state.test.unseal();
            Some(SeedResult {
                run_id: run.run_id.clone(),
                seed: run.seed,
                epoch: state.epoch,
                score: score(run, protocol),
                values,
            })
        };
        let mean = |values: Vec<f64>| Summary::of(&values).map(|summary| summary.mean);
        let last = |run: &&Run| run.metrics.chosen(Protocol::Last)?.test.unseal().get(TOP1.all);
        // Further seeds of finalists are no sign that others are missing.
        let most = points.iter().filter(|point| !point.finalist).map(Point::seeds).max().unwrap_or(0);
        let chosen = protocol.chooser().is_some();
        Self {
            method: Arc::clone(method),
            params: Arc::clone(point.params),
            protocol,
            seeds: point.finished.iter().filter_map(result).collect(),
            diverged: point.diverged,
            points: if chosen { points.len() } else { 1 },
            incomplete: points.iter().filter(|point| !point.finalist && point.seeds() < most).count(),
            excluded: if chosen { excluded(points) } else { 0 },
            widened: points.iter().filter(|point| point.widened).count(),
            repeated: if chosen { points.iter().map(|point| point.repeated).sum() } else { point.repeated },
            edges: if chosen { edges(points, point.params) } else { Vec::new() },
            val: mean(point.finished.iter().filter_map(|run| score(run, protocol.validated())).collect()),
            last_epoch: Summary::of(&point.finished.iter().filter_map(last).collect::<Vec<_>>()),
            seconds: mean(point.finished.iter().map(|run| run.seconds).collect()),
        }
    }
}

/// Applies a protocol to the runs of one cache: one result per method and precision, or per grid point with [`Protocol::Last`].
///
/// The point with the best mean score over seeds is selected, the first in parameter order among equals. A point with a
/// diverged seed is selected only when every point of the method has one, and a point without finished seed only when
/// there is no other; its result then has no seeds.
///
/// # Errors
/// [`SelectError::NoValidation`] when [`Protocol::Val`] is asked for and a finished run has no validation score;
/// [`SelectError::NotRecorded`] when a sweep left out what the protocol reports.
pub fn select(runs: &[&Run], protocol: Protocol) -> Result<Vec<Selected>, SelectError> {
    require_recorded(runs, protocol)?;
    let mut selected = Vec::new();
    for ((method, _), points) in points(runs) {
        let chosen = match protocol.chooser() {
            None => points.iter().collect(),
            Some(chooser) => Vec::from_iter(best(&points, protocol, chooser.score)),
        };
        selected.extend(chosen.into_iter().map(|point| Selected::new(method, &points, point, protocol)));
    }
    Ok(selected)
}

/// Mean scores that differ by less (fractions, nats) are equal. Scores are counts of hits divided by counts of samples, so that unequal means
/// over seeds differ by more with fewer than a million validation samples a seed; rounding, also that of the f32 sums in
/// records of older programs, stays below.
const SAME_SCORE: f64 = 1e-6;

/// The points to choose from: finalists where there are some, since the others have had one seed's luck; without those that have
/// a diverged seed, unless all have one.
fn candidates<'a, 'b>(points: &'b [Point<'a>]) -> impl Iterator<Item = &'b Point<'a>> {
    let finals = points.iter().any(|point| point.finalist);
    let entered = move |point: &&Point<'_>| !finals || point.finalist;
    let stable = points.iter().filter(entered).any(|point| point.diverged == 0);
    points.iter().filter(entered).filter(move |point| !stable || point.diverged == 0)
}

/// Points with a diverged seed that were no candidates beside those without.
fn excluded(points: &[Point<'_>]) -> usize {
    let unstable = points.iter().filter(|point| point.diverged > 0).count();
    if unstable < points.len() { unstable } else { 0 }
}

fn best<'a, 'b>(points: &'b [Point<'a>], protocol: Protocol, by: Score) -> Option<&'b Point<'a>> {
    let mean = |point: &Point<'_>| {
        let scores: Vec<f64> = point.finished.iter().filter_map(|run| score(run, protocol)).collect();
        Summary::of(&scores).map(|summary| summary.mean)
    };
    let better = |new: Option<f64>, best: Option<f64>| match (new, best) {
        (Some(new), Some(best)) => by.gain(new, best) > SAME_SCORE,
        (Some(_), None) => true,
        (None, _) => false,
    };
    candidates(points)
        .map(|point| (mean(point), point))
        .reduce(|best, next| if better(next.0, best.0) { next } else { best })
        .map(|(_, point)| point)
}

/// The score that a protocol chose a run's state by; `None` when the run has none.
fn score(run: &Run, protocol: Protocol) -> Option<f64> {
    let (state, chooser) = run.metrics.chosen(protocol).zip(protocol.chooser())?;
    match chooser.split {
        HeldOut::Val => state.val.get(chooser.score).copied(),
        HeldOut::Test => state.test.unseal().get(chooser.score.metric()),
    }
}

impl Protocol {
    /// Itself where it chooses by validation, else the one whose validation score stands beside its results.
    fn validated(self) -> Self {
        if Self::by_validation().any(|(protocol, _)| protocol == self) { self } else { Self::Val }
    }

    /// The validation score that stands beside its results.
    pub fn val_score(self) -> Score {
        self.validated().chooser().map_or(Score::Top1, |chooser| chooser.score)
    }

    /// `val` where every finished run has a validation score, else `last`.
    pub fn default_for(runs: &[&Run]) -> Self {
        let mut finished = runs.iter().filter(|run| run.status == Status::Ok).peekable();
        let validated =
            finished.peek().is_some() && finished.all(|run| run.metrics.chosen(Self::Val).is_some());
        if validated { Self::Val } else { Self::Last }
    }
}

fn require_recorded(runs: &[&Run], protocol: Protocol) -> Result<(), SelectError> {
    let finished: Vec<&Run> = runs.iter().copied().filter(|run| run.status == Status::Ok).collect();
    let recorded = |run: &Run| run.metrics.chosen(protocol).is_some();
    let without: Vec<&Run> = finished.iter().copied().filter(|run| !recorded(run)).collect();
    let Some(first) = without.first() else { return Ok(()) };
    let (missing, total, method) = (without.len(), finished.len(), first.method.to_string());
    let cache = files::text::name(&first.cache).into_owned();
    let validated = |run: &&Run| run.metrics.get(Protocol::Last).is_some_and(|last| !last.val.is_empty());
    let by_val = matches!(protocol.chooser(), Some(Chooser { split: HeldOut::Val, .. }));
    if by_val && !without.iter().all(validated) {
        return Err(SelectError::NoValidation { missing, runs: total, method, cache });
    }
    Err(SelectError::NotRecorded { protocol, missing, runs: total, method, cache })
}

#[cfg(test)]
mod tests;
