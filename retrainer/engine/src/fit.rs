//! One piece of work from start to finish: train, choose epochs, measure.

use super::{
    area, classifier, closed_form,
    data::{Data, pieces},
    error::TrainError,
    evaluate::Heads,
    head::{Head, HeadForm, Start, narrow},
    head_group::{HeadGroup, Member},
    post_hoc,
    sampler::SampleOrders,
    states::{self, Tested, Tracker},
};
use experiment::plan::memory::rows_at_once;
use experiment::{
    methods::{Init, Reduction, TrainView},
    plan::{GroupKey, HeadTask, TrainedJob, UntrainedJob, Work},
    protocol::{PerChooser, PerProtocol, Protocol, Protocols, Score, State},
    spec::{Loss, Recipe, Untrained},
};
use program::interrupt::Interrupt;
use std::time::Instant;

/// A head that is done.
#[derive(Debug)]
pub struct FittedHead {
    /// What was asked for.
    pub task: HeadTask,
    /// Epochs after which its weights were not finite, if so; it has no states then.
    pub diverged_at: Option<u32>,
    /// The weights that protocols choose.
    pub states: PerProtocol<State<Tested>>,
    /// Scores after each epoch, as protocols choose by them.
    pub curve: PerChooser<Vec<f64>>,
    /// Its share of the group's time.
    pub seconds: f64,
}

/// Does a piece of work; `protocols` say which states are wanted beside the last, `advance` hears of every head-epoch.
///
/// # Errors
/// [`TrainError::Interrupted`] when the user asked to stop; nothing of the piece is kept then.
pub fn run(
    work: Work,
    data: &Data<'_>,
    protocols: &Protocols,
    interrupt: &Interrupt,
    advance: &dyn Fn(u64),
) -> Result<Vec<FittedHead>, TrainError> {
    let _guard = tch::no_grad_guard();
    match work {
        Work::Untrained(jobs) => run_untrained(jobs, data, protocols, advance),
        Work::Sgd { key, heads } => run_sgd(key, heads, data, protocols, interrupt, advance),
    }
}

fn run_untrained(
    jobs: Vec<UntrainedJob>,
    data: &Data<'_>,
    protocols: &Protocols,
    advance: &dyn Fn(u64),
) -> Result<Vec<FittedHead>, TrainError> {
    let started = Instant::now();
    let heads = jobs
        .iter()
        .map(|job| match &job.head {
            Untrained::Adjusted(change) => {
                let stage1 = data.stage1.as_ref().ok_or(TrainError::MissingHead)?;
                Ok(post_hoc::adjust(stage1, change))
            }
            Untrained::ClosedForm(form) => closed_form::head(*form, data),
        })
        .collect::<Result<Vec<_>, _>>()?;
    // What has no numbers predicts nothing: it is recorded as diverged, as of SGD.
    let is_finite = |head: &Head| head.weight.iter().chain(&head.bias).all(|value| value.is_finite());
    let diverged: Vec<bool> = heads.iter().map(|head| !is_finite(head)).collect();
    let mut states: Vec<Option<State<Tested>>> = heads.iter().map(|_| None).collect();
    // Heads of one form are measured together.
    while let Some(first) = states.iter().position(Option::is_none) {
        let Some(form) = heads.get(first).map(|head| head.form.clone()) else { break };
        let same: Vec<usize> =
            (first..heads.len()).filter(|&i| heads.get(i).is_some_and(|h| h.form == form)).collect();
        let members: Vec<Head> = same.iter().filter_map(|&i| heads.get(i).cloned()).collect();
        for (index, state) in same.iter().zip(measure(members, &form, data, &protocols.val_scores())?) {
            if let Some(slot) = states.get_mut(*index) {
                *slot = Some(state);
            }
        }
    }
    advance(heads.len() as u64);
    let seconds = started.elapsed().as_secs_f64() / heads.len().max(1) as f64;
    let fitted = jobs.into_iter().zip(states).zip(diverged).map(|((job, last), diverged)| FittedHead {
        task: job.task,
        diverged_at: diverged.then_some(0),
        states: last.filter(|_| !diverged).map(|last| (Protocol::Last, last)).into_iter().collect(),
        curve: PerChooser::default(),
        seconds,
    });
    Ok(fitted.collect())
}

/// Measures linear heads of one form.
fn measure(
    heads: Vec<Head>,
    form: &HeadForm,
    data: &Data<'_>,
    val_scores: &[Score],
) -> Result<Vec<State<Tested>>, TrainError> {
    let logits = classifier::of_form(form, &heads, data.device)?;
    let together = Heads { logits: &*logits, count: heads.len() };
    let val = states::validate(&together, data, val_scores)?;
    states::measure(&together, heads, data, &vec![0; together.count], &val)
}

fn run_sgd(
    key: GroupKey,
    jobs: Vec<TrainedJob>,
    data: &Data<'_>,
    protocols: &Protocols,
    interrupt: &Interrupt,
    advance: &dyn Fn(u64),
) -> Result<Vec<FittedHead>, TrainError> {
    let started = Instant::now();
    let (heads, classes, stream) = (jobs.len(), data.class_counts.classes(), key.stream);
    let mut group = start_group(&key, &jobs, data)?;
    let mut diverged_at: Vec<Option<u32>> = vec![None; heads];
    let mut tracker = Tracker::new(protocols, &*group.parameters, heads, data)?;
    let rows = if key.whole_batches { usize::MAX } else { rows_at_once(heads * classes) };
    let mut orders = SampleOrders::new(
        stream.sampler,
        &data.rows_by_class,
        data.samples(),
        stream.batch_size,
        stream.seed,
    );
    for epoch in 0..stream.epochs {
        group.start_epoch(epoch)?;
        let augmented = (stream.view == TrainView::Augmented).then_some(epoch);
        let pass = data.pass(orders.next_epoch(), augmented)?;
        for range in pieces(pass.len(), stream.batch_size) {
            group.step(data, &pass, range, rows)?;
            if interrupt.requested() {
                return Err(TrainError::Interrupted);
            }
        }
        group.end_epoch()?;
        let done = epoch + 1;
        for (diverged, finite) in diverged_at.iter_mut().zip(group.finite()?) {
            if !finite {
                diverged.get_or_insert(states::count(done));
            }
        }
        tracker.end_epoch(&*group.parameters, done, stream.epochs, data)?;
        advance(heads as u64);
        if diverged_at.iter().all(Option::is_some) {
            // Nothing left to train; the bar still counts the epochs.
            advance((heads * (stream.epochs - done)) as u64);
            break;
        }
    }
    let states = tracker.finish(&*group.parameters, stream.epochs, data)?;
    let seconds = started.elapsed().as_secs_f64() / heads.max(1) as f64;
    let fitted = jobs.into_iter().zip(diverged_at).zip(states);
    Ok(fitted
        .map(|((job, diverged_at), states)| {
            let (states, curve) = if diverged_at.is_none() { states } else { Default::default() };
            FittedHead { task: job.task, diverged_at, states, curve, seconds }
        })
        .collect())
}

/// Heads at their start values with their losses.
pub(super) fn start_group(
    key: &GroupKey,
    jobs: &[TrainedJob],
    data: &Data<'_>,
) -> Result<HeadGroup, TrainError> {
    let classes = data.class_counts.classes();
    let stage1 = data.stage1.is_some().then(|| closed_form::linear_start(data)).transpose()?;
    let start = jobs
        .iter()
        .map(|job| match job.settings.init {
            Init::Stage1 => stage1.clone().ok_or(TrainError::MissingHead),
            Init::Fresh => {
                let mut head = Head::fresh(classes, data.dim, job.task.point.seed);
                if let Some(bias) = job.recipe.fresh_bias {
                    head.bias.fill(narrow(bias));
                }
                Ok(head)
            }
            Init::ClassMean => closed_form::class_mean_start(data),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let norms = stage1.as_ref().map(Head::norms).unwrap_or_default();
    let member =
        |job: &'_ TrainedJob| job.recipe.max_norm.map_or(f64::INFINITY, |max_norm| max_norm.bound(&norms));
    let members: Vec<Member<'_>> = jobs
        .iter()
        .map(|job| Member { recipe: &job.recipe, settings: job.settings, bound: member(job) })
        .collect();
    // The heads of a group have one batch size and seed, and so one set of areas.
    let area_weights = jobs
        .iter()
        .any(|job| job.recipe.area_weights)
        .then(|| area::weights(data, key.stream.batch_size, key.stream.seed))
        .transpose()?;
    let losses: Vec<(Loss, Reduction)> = jobs
        .iter()
        .map(|job| {
            let mut loss = job.recipe.loss.clone();
            if let Some(weights) = area_weights.as_ref().filter(|_| job.recipe.area_weights) {
                loss.weight.clone_from(weights);
            }
            (loss, job.settings.reduction)
        })
        .collect();
    let recipes: Vec<&Recipe> = jobs.iter().map(|job| &*job.recipe).collect();
    let parameters = classifier::start(key.classifier, start, &recipes, data.stage1.as_ref(), data.device)?;
    HeadGroup::new(parameters, &members, losses, key, data.device)
}
