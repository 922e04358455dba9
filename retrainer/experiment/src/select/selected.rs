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
    #[error("{missing} of {runs} finished runs have no validation score, for example one of `{method}`")]
    NoValidation {
        /// Runs without a score.
        missing: usize,
        /// Finished runs.
        runs: usize,
        /// Method of one of them.
        method: String,
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
        "{missing} of {runs} finished runs have no state for `{protocol}`, for example one of `{method}`"
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
    },
}

impl Hint for SelectError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoValidation { .. } => "use `--select last`, or a cache with a `val` split".to_owned(),
            Self::NotByScore { .. } => {
                "leave `--select` out: `--select-by` alone chooses on validation".to_owned()
            }
            Self::NotRecorded { protocol, .. } => format!(
                "run the sweep again with `--protocols {protocol}`: only what is missing is done; or use `--select last`"
            ),
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
    pub fn incomplete_points(&self) -> usize {
        self.incomplete
    }

    /// Grid points of the method with a diverged seed, which were no candidates beside those without; 0 where nothing was
    /// selected.
    pub fn excluded_points(&self) -> usize {
        self.excluded
    }

    /// Runs left out since another run has their seed and hyper-parameters, of all points that this one was selected from.
    pub fn repeated_runs(&self) -> usize {
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
    pub fn last_epoch(&self) -> Option<Summary> {
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
        Summary::of(&values)
    }

    /// Differences to another result on the seeds that both have; a head that is not trained has no seed and stands
    /// beside every one, whichever side it is on.
    pub fn paired_differences(&self, other: &Self, metric: Metric) -> Vec<f64> {
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
            Some(SeedResult { run_id: run.run_id.clone(), seed: run.seed, epoch: state.epoch, values })
        };
        let mean = |values: Vec<f64>| Summary::of(&values).map(|summary| summary.mean);
        let last = |run: &&Run| run.metrics.chosen(Protocol::Last)?.test.unseal().get(TOP1.all);
        let most = points.iter().map(Point::seeds).max().unwrap_or(0);
        let chosen = protocol.chooser().is_some();
        Self {
            method: Arc::clone(method),
            params: Arc::clone(point.params),
            protocol,
            seeds: point.finished.iter().filter_map(result).collect(),
            diverged: point.diverged,
            points: if chosen { points.len() } else { 1 },
            incomplete: points.iter().filter(|point| point.seeds() < most).count(),
            excluded: if chosen { points.len() - candidates(points).count() } else { 0 },
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

/// The points to choose from: without those that have a diverged seed, unless all have one.
fn candidates<'a, 'b>(points: &'b [Point<'a>]) -> impl Iterator<Item = &'b Point<'a>> {
    let stable = points.iter().any(|point| point.diverged == 0);
    points.iter().filter(move |point| !stable || point.diverged == 0)
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
    let validated = |run: &&Run| run.metrics.get(Protocol::Last).is_some_and(|last| !last.val.is_empty());
    let by_val = matches!(protocol.chooser(), Some(Chooser { split: HeldOut::Val, .. }));
    if by_val && !without.iter().all(validated) {
        return Err(SelectError::NoValidation { missing, runs: total, method });
    }
    Err(SelectError::NotRecorded { protocol, missing, runs: total, method })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::{
            RunRecord,
            testing::{accuracies, diverged, record, state, stored, validated},
        },
        select::End,
    };

    fn run_protocol(records: &[RunRecord], protocol: Protocol) -> Vec<Selected> {
        let runs = stored(records);
        select(&runs.iter().collect::<Vec<_>>(), protocol).unwrap()
    }

    /// Method, parameters and mean test accuracy.
    fn rows(selected: &[Selected]) -> Vec<(&str, String, Option<f64>)> {
        let mean = |row: &Selected| row.summary(TOP1.all).map(|summary| summary.mean);
        selected.iter().map(|row| (row.method(), row.params().to_string(), mean(row))).collect()
    }

    #[test]
    fn last_reports_every_grid_point_and_chooses_nothing() {
        let records = [
            record("lort", r#"{"delta":0.9}"#, 0, 0.5),
            record("lort", r#"{"delta":0.98}"#, 1, 0.75),
            record("lort", r#"{"delta":0.98}"#, 0, 0.25),
            record("ce", "{}", 0, 0.4),
        ];
        let selected = run_protocol(&records, Protocol::Last);
        let expected = [("ce", "", 0.4), ("lort", "delta=0.9", 0.5), ("lort", "delta=0.98", 0.5)];
        assert_eq!(
            rows(&selected),
            expected.map(|(method, params, mean)| (method, params.to_owned(), Some(mean)))
        );
        assert!(selected.iter().all(|row| row.edges().is_empty() && row.points() == 1));
        assert_eq!(
            selected[2].seeds().iter().map(|seed| (seed.seed, seed.epoch)).collect::<Vec<_>>(),
            [(0, 20), (1, 20)]
        );
    }

    #[test]
    fn val_chooses_by_the_mean_validation_score_and_never_by_test() {
        let records = [
            validated("lort", r#"{"delta":0.9}"#, 0, 0.6, 0.1),
            validated("lort", r#"{"delta":0.9}"#, 1, 0.4, 0.2),
            validated("lort", r#"{"delta":0.98}"#, 0, 0.7, 0.9),
            validated("lort", r#"{"delta":0.98}"#, 1, 0.2, 0.9),
        ];
        let selected = run_protocol(&records, Protocol::Val);
        assert_eq!(rows(&selected), [("lort", "delta=0.9".to_owned(), Some(f64::midpoint(0.1, 0.2)))]);
        assert_eq!((selected[0].val(), selected[0].points()), (Some(0.5), 2));
        assert_eq!(selected[0].seeds()[0].epoch, 5);
    }

    #[test]
    fn best_on_test_chooses_the_best_epoch_and_point_by_test() {
        let mut lucky = record("lort", r#"{"delta":0.9}"#, 0, 0.2);
        lucky.metrics.insert(Protocol::BestOnTest, state(7, None, accuracies([0.8; 4])));
        let selected =
            run_protocol(&[lucky, record("lort", r#"{"delta":0.98}"#, 0, 0.5)], Protocol::BestOnTest);
        assert_eq!(rows(&selected), [("lort", "delta=0.9".to_owned(), Some(0.8))]);
        assert_eq!((selected[0].seeds()[0].epoch, selected[0].protocol()), (7, Protocol::BestOnTest));
    }

    #[test]
    fn a_protocol_that_the_sweep_did_not_record_is_an_error_and_not_the_last_epoch() {
        let mut bare = record("ce", "{}", 0, 0.5);
        bare.metrics = [(Protocol::Last, state(20, Some(0.4), accuracies([0.5; 4])))].into();
        let runs = stored(&[bare, validated("lort", "{}", 0, 0.5, 0.5)]);
        let runs: Vec<_> = runs.iter().collect();
        let message = |protocol| {
            let error = select(&runs, protocol).unwrap_err();
            format!("{error} ({})", error.hint().unwrap())
        };
        insta::assert_snapshot!(message(Protocol::Val), @"1 of 2 finished runs have no state for `val`, for example one of `ce` (run the sweep again with `--protocols val`: only what is missing is done; or use `--select last`)");
        assert!(
            message(Protocol::BestOnTest)
                .starts_with("2 of 2 finished runs have no state for `best-on-test`")
        );
        assert!(select(&runs, Protocol::Last).is_ok());
    }

    /// Of two settings one has the higher accuracy and the other the lower NLL, each at an epoch of its own.
    #[test]
    fn nll_chooses_the_lowest_and_accuracy_the_highest() {
        let run = |lr: &str, top1: f64, nll: f64| {
            let mut run = validated("ce", &format!(r#"{{"lr":{lr}}}"#), 0, top1, 0.5);
            let mut by_nll = state(3, Some(0.1), accuracies([0.25; 4]));
            by_nll.val.insert(Score::Nll, nll);
            run.metrics.insert(Protocol::ValNll, by_nll);
            run
        };
        let records = [run("0.1", 0.6, 1.5), run("0.2", 0.4, 0.75), run("0.3", 0.5, 0.75)];
        let chosen = |protocol| {
            let selected = run_protocol(&records, protocol).remove(0);
            (selected.params().to_string(), selected.seeds()[0].epoch, selected.val())
        };
        assert_eq!(chosen(Protocol::Val), ("lr=0.1".to_owned(), 5, Some(0.6)));
        // Of equals the first.
        assert_eq!(chosen(Protocol::ValNll), ("lr=0.2".to_owned(), 3, Some(0.75)));
        assert_eq!((Protocol::Last.val_score(), Protocol::ValNll.val_score()), (Score::Top1, Score::Nll));
    }

    #[test]
    fn records_of_older_programs_say_that_they_have_no_state_by_nll() {
        let runs = stored(&[validated("ce", "{}", 0, 0.5, 0.5)]);
        let error = select(&[&runs[0]], Protocol::ValNll).unwrap_err();
        let told = format!("{error} ({})", error.hint().unwrap());
        assert_eq!(
            told,
            "1 of 1 finished runs have no state for `val-nll`, for example one of `ce` (run the sweep again with \
             `--protocols val-nll`: only what is missing is done; or use `--select last`)"
        );
    }

    #[test]
    fn equal_scores_choose_the_first_point_in_numeric_order() {
        let point = |lr: &str| validated("ce", &format!(r#"{{"lr":{lr}}}"#), 0, 0.5, 0.5);
        let selected = run_protocol(&[point("0.1"), point("1e-5"), point("0.01")], Protocol::Val);
        assert_eq!(selected[0].params().to_string(), "lr=1e-5");
    }

    #[test]
    fn equal_counts_are_equal_scores_however_sums_are_rounded() {
        // 900 of 2,000 validation samples; as f64, as f64 of an f32 sum, and as a mean of seeds with 898 and 902.
        let point = |lr: &str, seed, val| validated("ce", &format!(r#"{{"lr":{lr}}}"#), seed, val, 0.5);
        let records = [
            point("0.1", 0, 0.45),
            point("0.1", 1, 0.45),
            point("0.2", 0, f64::from(0.45_f32 * 100.0) / 100.0 + 2e-8),
            point("0.2", 1, 0.45),
            point("0.3", 0, 0.449),
            point("0.3", 1, 0.451_000_000_000_000_1),
        ];
        assert_eq!(run_protocol(&records, Protocol::Val)[0].params().to_string(), "lr=0.1");
        // One sample more of one seed is more.
        let more = [&records[..], &[point("0.4", 0, 0.4505), point("0.4", 1, 0.45)]].concat();
        assert_eq!(run_protocol(&more, Protocol::Val)[0].params().to_string(), "lr=0.4");
    }

    #[test]
    fn what_the_last_epoch_gives_stands_beside_a_choice() {
        let selected = run_protocol(&[validated("ce", "{}", 0, 0.5, 0.75)], Protocol::Val);
        assert_eq!(selected[0].last_epoch().map(|summary| summary.mean), Some(0.0));
        assert!(!selected[0].untrained());
    }

    #[test]
    fn a_point_with_a_diverged_seed_is_chosen_only_when_all_have_one() {
        let (low, high) = (r#"{"lr":0.1}"#, r#"{"lr":1.0}"#);
        let wild = [validated("ce", high, 0, 0.9, 0.9), diverged("ce", high, 1)];
        let mut records = wild.to_vec();
        records.push(validated("ce", low, 0, 0.3, 0.3));
        assert_eq!(rows(&run_protocol(&records, Protocol::Val))[0].1, "lr=0.1");
        let selected = run_protocol(&wild, Protocol::Val);
        assert_eq!((selected[0].seeds().len(), selected[0].diverged()), (1, 1));
        let selected = run_protocol(&[diverged("ce", low, 0), diverged("ce", high, 0)], Protocol::Val);
        assert_eq!((selected[0].summary(TOP1.all), selected[0].diverged()), (None, 1));
    }

    #[test]
    fn a_choice_at_the_end_of_an_axis_is_an_edge() {
        let point = |delta: f64, wd: f64, lr: f64, val: f64| {
            validated(
                "lort",
                &format!(r#"{{"delta":{delta},"weight_decay":{wd},"lr":{lr},"epochs":20}}"#),
                0,
                val,
                0.5,
            )
        };
        let records = [
            point(0.9, 0.0, 0.1, 0.2),
            point(0.95, 0.1, 0.2, 0.1),
            point(0.98, 0.0, 0.1, 0.6),
            point(0.98, 0.0, 0.05, 0.2),
        ];
        let edges = run_protocol(&records, Protocol::Val)[0].edges().to_vec();
        assert_eq!(edges, [Edge { param: "delta".to_owned(), value: 0.98, end: End::Highest, values: 3 }]);
    }

    #[test]
    fn the_default_is_val_only_where_every_finished_run_has_a_validation_score() {
        let mut runs = stored(&[validated("ce", "{}", 0, 0.5, 0.5), diverged("ce", "{}", 1)]);
        assert_eq!(Protocol::default_for(&runs.iter().collect::<Vec<_>>()), Protocol::Val);
        runs.extend(stored(&[record("lort", "{}", 0, 0.5)]));
        let runs: Vec<_> = runs.iter().collect();
        assert_eq!(Protocol::default_for(&runs), Protocol::Last);
        assert_eq!(Protocol::default_for(&[]), Protocol::Last);
        let error = select(&runs, Protocol::Val).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 of 2 finished runs have no validation score, for example one of `lort`"
        );
    }

    #[test]
    fn paired_differences_use_the_seeds_that_both_have() {
        let records = [
            record("ce", "{}", 0, 0.25),
            record("ce", "{}", 1, 0.5),
            record("lort", "{}", 1, 0.75),
            record("lort", "{}", 2, 1.0),
        ];
        let selected = run_protocol(&records, Protocol::Last);
        assert_eq!(selected[1].paired_differences(&selected[0], TOP1.all), [0.25]);
    }

    #[test]
    fn an_untrained_head_stands_beside_every_seed() {
        let mut untrained = record("stage1", "{}", 0, 0.5);
        untrained.metrics.insert(Protocol::Last, state(0, None, accuracies([0.5; 4])));
        let records = [record("lort", "{}", 0, 0.75), record("lort", "{}", 1, 1.0), untrained];
        let selected = run_protocol(&records, Protocol::Last);
        assert_eq!(selected[0].paired_differences(&selected[1], TOP1.all), [0.25, 0.5]);
        assert_eq!(selected[1].paired_differences(&selected[0], TOP1.all), [-0.25, -0.5]);
        assert_eq!(selected[1].paired_differences(&selected[1], TOP1.all), [0.0]);
    }

    #[test]
    fn each_precision_has_a_result_of_its_own_under_every_protocol() {
        let bf16 = r#"{"precision":"bf16"}"#;
        let records = [validated("ce", bf16, 0, 0.9, 0.5), validated("ce", "{}", 0, 0.4, 0.25)];
        let expected = [("ce", String::new(), Some(0.25)), ("ce", "precision=bf16".to_owned(), Some(0.5))];
        let selected = run_protocol(&records, Protocol::Val);
        assert_eq!(rows(&selected), expected);
        assert!(selected.iter().all(|row| row.points() == 1));
        assert_eq!(run_protocol(&records, Protocol::Last).len(), 2);
    }

    #[test]
    fn a_seed_counts_once_under_however_many_ids() {
        let again = |run: RunRecord, id: &str| RunRecord { run_id: id.to_owned(), ..run };
        let records = [
            record("ce", "{}", 0, 0.25),
            again(record("ce", "{}", 0, 0.75), "00000000000000000000000000000001"),
            diverged("ce", "{}", 1),
            again(record("ce", "{}", 1, 0.5), "00000000000000000000000000000002"),
        ];
        let selected = run_protocol(&records, Protocol::Last);
        let values: Vec<_> = selected[0].seeds().iter().map(|seed| seed.values.get(TOP1.all)).collect();
        assert_eq!(values, [Some(0.25), Some(0.5)]);
        assert_eq!((selected[0].diverged(), selected[0].repeated_runs()), (0, 2));
    }
}
