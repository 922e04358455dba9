//! One piece of work from start to finish: train, choose epochs, measure.

use super::{
    data::Data,
    error::TrainError,
    evaluate,
    head_group::{GroupWeights, HeadGroup},
    loss::LossRows,
    post_hoc, rows_at_once,
    sampler::epoch_order,
    weights::LinearHead,
};
use crate::{
    head::Fit,
    methods::{Init, TrainView},
    metrics::Metrics,
    plan::{GroupKey, HeadJob, HeadTask, Work},
};
use shared::interrupt::Interrupt;
use std::time::Instant;

/// Which weights of a run are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// After the last epoch.
    Last,
    /// At the epoch with the best validation accuracy, the earliest of equals.
    ValSelected,
    /// At the epoch with the best test accuracy, the earliest of equals: the paper's protocol.
    BestOnTest,
}

/// A head's weights at one epoch, measured on the test split.
#[derive(Debug)]
pub struct State {
    /// Epochs done; 0 for heads without training.
    pub epoch: usize,
    /// Mean of per-class validation accuracies, where the cache has a validation split.
    pub val_top1: Option<f64>,
    /// Metrics on the test split.
    pub test: Metrics,
    /// The weights.
    pub head: LinearHead,
}

/// A head that is done.
#[derive(Debug)]
pub struct FittedHead {
    /// What was asked for.
    pub task: HeadTask,
    /// Epochs after which its weights were not finite, if so; it has no states then.
    pub diverged_at: Option<usize>,
    /// After the last epoch.
    pub last: Option<State>,
    /// At the epoch that validation chose.
    pub val_selected: Option<State>,
    /// At the epoch that the test split chose.
    pub best_on_test: Option<State>,
    /// Its share of the group's time.
    pub seconds: f64,
}

impl FittedHead {
    /// The state of a kind, if the run has it.
    pub fn state(&self, kind: StateKind) -> Option<&State> {
        match kind {
            StateKind::Last => self.last.as_ref(),
            StateKind::ValSelected => self.val_selected.as_ref(),
            StateKind::BestOnTest => self.best_on_test.as_ref(),
        }
    }
}

/// Does a piece of work; `advance` hears of every head-epoch.
///
/// # Errors
/// [`TrainError::Interrupted`] when the user asked to stop; nothing of the piece is kept then.
pub fn run(
    work: Work,
    data: &Data<'_>,
    interrupt: &Interrupt,
    advance: &dyn Fn(u64),
) -> Result<Vec<FittedHead>, TrainError> {
    let _guard = tch::no_grad_guard();
    match work {
        Work::PostHoc(tasks) => run_post_hoc(tasks, data, advance),
        Work::Sgd { key, heads } => run_sgd(key, heads, data, interrupt, advance),
    }
}

fn run_post_hoc(
    tasks: Vec<HeadTask>,
    data: &Data<'_>,
    advance: &dyn Fn(u64),
) -> Result<Vec<FittedHead>, TrainError> {
    let started = Instant::now();
    let stage1 = LinearHead::stage1(data.stage1_head.ok_or(TrainError::MissingHead)?);
    let adjusted = |task: &HeadTask| match &task.spec.fit {
        Fit::PostHoc(change) => post_hoc::adjust(&stage1, change),
        Fit::Sgd(_) => stage1.clone(),
    };
    let heads: Vec<LinearHead> = tasks.iter().map(adjusted).collect();
    let weights = GroupWeights::new(&heads, data.device)?;
    let val = validate(&weights, data, heads.len())?;
    let seconds = |count: usize| started.elapsed().as_secs_f64() / count.max(1) as f64;
    let states = states(&weights, data, heads.len(), &vec![0; heads.len()], &val)?;
    advance(heads.len() as u64);
    let seconds = seconds(heads.len());
    let fitted = tasks.into_iter().zip(states).map(|(task, state)| FittedHead {
        task,
        diverged_at: None,
        last: Some(state),
        val_selected: None,
        best_on_test: None,
        seconds,
    });
    Ok(fitted.collect())
}

/// The best epoch of each head so far and the weights it had then.
struct Best {
    weights: GroupWeights,
    epochs: Vec<usize>,
    scores: Vec<f64>,
    /// Validation accuracy at that epoch.
    val: Vec<Option<f64>>,
}

impl Best {
    fn new(weights: &GroupWeights, heads: usize) -> Result<Self, TrainError> {
        Ok(Self {
            weights: weights.snapshot()?,
            epochs: vec![0; heads],
            scores: vec![f64::NEG_INFINITY; heads],
            val: vec![None; heads],
        })
    }

    fn update(
        &mut self,
        weights: &GroupWeights,
        epoch: usize,
        scores: &[f64],
        val: &[Option<f64>],
        classes: usize,
    ) -> Result<(), TrainError> {
        let state = self.scores.iter_mut().zip(&mut self.epochs).zip(&mut self.val);
        for (head, (((best, best_epoch), best_val), (&score, &val))) in
            state.zip(scores.iter().zip(val)).enumerate()
        {
            if score > *best {
                (*best, *best_epoch, *best_val) = (score, epoch, val);
                self.weights.copy_head(weights, head, classes)?;
            }
        }
        Ok(())
    }
}

fn run_sgd(
    key: GroupKey,
    jobs: Vec<HeadJob>,
    data: &Data<'_>,
    interrupt: &Interrupt,
    advance: &dyn Fn(u64),
) -> Result<Vec<FittedHead>, TrainError> {
    let started = Instant::now();
    let (heads, classes, stream) = (jobs.len(), data.class_counts.classes(), key.stream);
    let mut group = start_group(&jobs, data)?;
    let mut diverged_at: Vec<Option<usize>> = vec![None; heads];
    let mut best_val = data.val.as_ref().map(|_| Best::new(&group.weights, heads)).transpose()?;
    let mut best_test = Best::new(&group.weights, heads)?;
    let mut val = vec![None; heads];
    let rows = rows_at_once(heads * classes);
    for epoch in 0..stream.epochs {
        group.start_epoch(epoch)?;
        let order = epoch_order(stream.sampler, data.samples(), stream.batch_size, stream.seed, epoch);
        let augmented = (stream.view == TrainView::Augmented).then_some(epoch);
        for indices in order.chunks(stream.batch_size.max(1)) {
            let (features, labels) = data.batch(indices, augmented)?;
            group.step(&features, &labels, rows)?;
            if interrupt.requested() {
                return Err(TrainError::Interrupted);
            }
        }
        let done = epoch + 1;
        for (diverged, finite) in diverged_at.iter_mut().zip(group.finite()?) {
            if !finite {
                diverged.get_or_insert(done);
            }
        }
        val = validate(&group.weights, data, heads)?;
        if let Some(best) = &mut best_val {
            let scores: Vec<f64> = val.iter().map(|score| score.unwrap_or(f64::NEG_INFINITY)).collect();
            best.update(&group.weights, done, &scores, &val, classes)?;
        }
        let test = evaluate::balanced_accuracy(&group.weights, &data.test, heads, classes)?;
        best_test.update(&group.weights, done, &test, &val, classes)?;
        advance(heads as u64);
        if diverged_at.iter().all(Option::is_some) {
            // Nothing left to train; the bar still counts the epochs.
            advance((heads * (stream.epochs - done)) as u64);
            break;
        }
    }
    let last = states(&group.weights, data, heads, &vec![stream.epochs; heads], &val)?;
    let of = |best: &Best| states(&best.weights, data, heads, &best.epochs, &best.val);
    let best_on_test = of(&best_test)?;
    let val_selected = best_val.as_ref().map(of).transpose()?;
    let seconds = started.elapsed().as_secs_f64() / heads.max(1) as f64;
    let val_selected = val_selected.into_iter().flatten().map(Some).chain(std::iter::repeat_with(|| None));
    let fitted = jobs.into_iter().zip(diverged_at).zip(last.into_iter().zip(best_on_test).zip(val_selected));
    Ok(fitted
        .map(|((job, diverged_at), ((last, best_on_test), val_selected))| {
            let ok = diverged_at.is_none();
            FittedHead {
                task: job.task,
                diverged_at,
                last: ok.then_some(last),
                val_selected: val_selected.filter(|_| ok),
                best_on_test: ok.then_some(best_on_test),
                seconds,
            }
        })
        .collect())
}

fn start_group(jobs: &[HeadJob], data: &Data<'_>) -> Result<HeadGroup, TrainError> {
    let classes = data.class_counts.classes();
    let start = jobs
        .iter()
        .map(|job| match job.settings.init {
            Init::Stage1 => data.stage1_head.map(LinearHead::stage1).ok_or(TrainError::MissingHead),
            Init::Fresh => Ok(LinearHead::fresh(classes, data.dim, job.task.point.seed)),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let neutral = crate::head::Loss::cross_entropy(classes);
    let losses: Vec<_> = jobs
        .iter()
        .map(|job| match &job.task.spec.fit {
            Fit::Sgd(loss) => (loss, job.settings.reduction),
            Fit::PostHoc(_) => (&neutral, job.settings.reduction),
        })
        .collect();
    let loss = LossRows::new(&losses, data.device)?;
    HeadGroup::new(&start, loss, jobs.iter().map(|job| job.settings).collect(), data.device)
}

/// Validation accuracy of each head, where there is a validation split.
fn validate(weights: &GroupWeights, data: &Data<'_>, heads: usize) -> Result<Vec<Option<f64>>, TrainError> {
    match &data.val {
        None => Ok(vec![None; heads]),
        Some(split) => {
            let scores = evaluate::balanced_accuracy(weights, split, heads, data.class_counts.classes())?;
            Ok(scores.into_iter().map(Some).collect())
        }
    }
}

/// Measures weights on the test split.
fn states(
    weights: &GroupWeights,
    data: &Data<'_>,
    heads: usize,
    epochs: &[usize],
    val: &[Option<f64>],
) -> Result<Vec<State>, TrainError> {
    let metrics = evaluate::metrics(weights, &data.test, heads, data.class_counts)?;
    let classes = data.class_counts.classes();
    metrics
        .into_iter()
        .zip(epochs.iter().zip(val))
        .enumerate()
        .map(|(head, (test, (&epoch, &val_top1)))| {
            Ok(State { epoch, val_top1, test, head: weights.head(head, classes)? })
        })
        .collect()
}
