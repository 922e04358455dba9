//! The training loop.

use super::{
    accuracy::Accuracy,
    best::{BEST_FOLDER, Best},
    cadence::Cadence,
    checkpoint::{self, CHECKPOINT_FILE, CheckpointInfo, Position},
    head::Head,
    judge::Judge,
    log::{self, EpochRecord, LOG_FILE},
    loss::Loss,
    recipe::Recipe,
    sgd::Sgd,
};
use crate::{
    ExtractError,
    backbones::{Backbone, Compute},
    batches::{Batch, Look, Source},
    datasets::Dataset,
    place,
    weights::TensorFile,
};
use cache::{BatchNormMode, ClassCounts};
use files::{FolderLock, atomic, text};
use longtail::random;
use program::{console, interrupt::Interrupt, progress::Progress};
use std::{num::NonZeroU32, path::Path, rc::Rc, time::Instant};
use tch::{Device, Kind, TchError, Tensor};

/// What does not decide the weights.
#[derive(Clone, Copy, Debug)]
pub struct TrainOptions {
    /// Where to compute.
    pub device: Device,
    /// Test accuracy after every so many epochs, and after the last.
    pub eval_every: NonZeroU32,
    /// Keep the measured epoch that is best on this split, too.
    pub keep_best: Option<Judge>,
}

/// How a run ended that reached its last epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOutcome {
    /// The records of all epochs.
    pub epochs: Vec<EpochRecord>,
    /// Whether everything had been done before.
    pub was_finished: bool,
}

/// Refuses a place for a checkpoint where something else is, before anything that takes time.
///
/// # Errors
/// [`ExtractError::Malformed`].
pub fn check_out(folder: &Path) -> Result<(), ExtractError> {
    place::for_folder_with(folder, &[CHECKPOINT_FILE, LOG_FILE, BEST_FOLDER], "a checkpoint")
}

/// Trains a backbone and its head, or continues the run that `folder` holds.
///
/// Writes a line of `train.jsonl` after each epoch, and `checkpoint.safetensors` where that costs little of the time since
/// the last one, at a stop and at the end. With `keep_best` the best epoch so far lies in [`super::BEST_FOLDER`].
///
/// # Errors
/// [`ExtractError::OtherSettings`] when `folder` holds another run; [`files::FileError::InUse`] while another process trains into
/// it; [`ExtractError::Diverged`] when the loss is no longer
/// a number; [`ExtractError::Interrupted`] after a request to stop, with the state on disk; [`ExtractError::InvalidSetting`],
/// [`ExtractError::UnknownName`], [`ExtractError::Torch`], [`ExtractError::File`].
pub fn train(
    dataset: &Dataset,
    recipe: &Recipe,
    options: &TrainOptions,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<TrainOutcome, ExtractError> {
    train_until(dataset, recipe, options, folder, &|_, _| interrupt.requested())
}

/// [`train`], asking before each step, counted by finished epochs and steps, whether to stop.
pub(super) fn train_until(
    dataset: &Dataset,
    recipe: &Recipe,
    options: &TrainOptions,
    folder: &Path,
    stop: &dyn Fn(u32, u32) -> bool,
) -> Result<TrainOutcome, ExtractError> {
    recipe.check()?;
    let class_counts = ClassCounts::from_labels(&dataset.train.labels, dataset.class_names.len())?;
    let _lock = FolderLock::alone(folder)?;
    atomic::remove_leftovers(folder)?;
    let info = CheckpointInfo::new(recipe, dataset, class_counts);
    let stored = checkpoint::resume(folder, &info)?;
    let mut run = Run::new(dataset, info, options)?;
    if let Some((position, file)) = &stored {
        run.restore(*position, file)?;
    }
    let missing = log::cut_back(folder, run.info.position.epochs)?;
    if !missing.is_empty() {
        console::say(&format!(
            "warning: `{}` lacks the lines of these finished epochs: {}; the weights are not affected",
            text::path(&folder.join(LOG_FILE)),
            missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ));
    }
    run.best = options.keep_best.map(|judge| Best::new(judge, folder, &run.info)).transpose()?;
    let was_finished = run.info.finished();
    while !run.info.finished() {
        run.epoch(folder, stop)?;
    }
    Ok(TrainOutcome { epochs: log::read_log(folder)?, was_finished })
}

/// A run in memory.
struct Run {
    info: CheckpointInfo,
    loss: Loss,
    options: TrainOptions,
    backbone: Backbone,
    head: Head,
    sgd: Sgd,
    train: Rc<Source>,
    test: Source,
    /// The validation images, where these choose the epoch to keep.
    val: Option<Source>,
    best: Option<Best>,
    /// Sums over the samples of the current epoch, on the device: loss, right answers; f64 `[2]`.
    sums: Tensor,
    cadence: Cadence,
}

impl Run {
    fn new(dataset: &Dataset, info: CheckpointInfo, options: &TrainOptions) -> Result<Self, ExtractError> {
        let recipe = &info.recipe;
        let compute = Compute { device: options.device, precision: recipe.precision, layout: recipe.layout };
        let (backbone, head) = checkpoint::build(recipe, info.class_counts.classes(), compute)?;
        let weights = backbone.parameters().weights().chain(head.parameters().weights());
        let start = || -> Result<_, TchError> {
            Ok((Sgd::new(weights, recipe.momentum, recipe.weight_decay)?, zero_sums(options.device)?))
        };
        let format = (Kind::Float, options.device);
        let (sgd, sums) = start().map_err(ExtractError::torch("start the optimiser"))?;
        Ok(Self {
            loss: Loss::new(&recipe.loss, recipe.loss_settings, &info.class_counts, format)?,
            options: *options,
            train: Rc::new(Source::new(&dataset.train, &recipe.transform, options.device)?),
            test: Source::new(&dataset.test, &recipe.transform, options.device)?,
            val: Judge::validation(options.keep_best, dataset)?
                .map(|images| Source::new(images, &recipe.transform, options.device))
                .transpose()?,
            best: None,
            backbone,
            head,
            sgd,
            sums,
            info,
            cadence: Cadence::new(),
        })
    }

    /// The tensors of backbone and head, under their names in the checkpoint.
    fn parameters(&self) -> Vec<(String, Tensor)> {
        let parameters = self.backbone.parameters().named().chain(self.head.parameters().named());
        parameters.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect()
    }

    /// Every tensor that decides how the run goes on, under its name in the checkpoint.
    fn state(&self) -> Result<Vec<(String, Tensor)>, ExtractError> {
        let momenta = self.sgd.momenta().map_err(ExtractError::torch("collect the momenta"))?;
        Ok(self
            .parameters()
            .into_iter()
            .chain(momenta)
            .chain([("epoch.sums".to_owned(), self.sums.shallow_clone())])
            .collect())
    }

    fn restore(&mut self, position: Position, file: &TensorFile) -> Result<(), ExtractError> {
        let state = self.state()?;
        file.copy_into(state.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
        self.info.position = position;
        Ok(())
    }

    fn save(&mut self, folder: &Path) -> Result<(), ExtractError> {
        let started = Instant::now();
        checkpoint::save(folder, &self.info, &self.state()?)?;
        self.cadence.saved(started.elapsed());
        Ok(())
    }

    /// Runs the rest of the current epoch, tests, and stores the result.
    fn epoch(&mut self, folder: &Path, stop: &dyn Fn(u32, u32) -> bool) -> Result<(), ExtractError> {
        let started = Instant::now();
        let recipe = self.info.recipe.clone();
        let Position { epochs: epoch, steps: first, seconds: before } = self.info.position;
        let lr = recipe.schedule.rate(recipe.lr, epoch, recipe.epochs, recipe.warm_up);
        let (n, batch) = (self.train.len(), recipe.batch_size);
        let steps = u32::try_from(n.div_ceil(batch)).unwrap_or(u32::MAX);
        // Order and augmentation are functions of seed and epoch alone.
        let index = u64::from(epoch);
        let order = random::permutation(&mut random::stream(recipe.seed, "stage1/order", index), n);
        let look = Look::Augmented { seed: recipe.seed, purpose: "stage1/augment", index };
        let cuts = (0..n).step_by(batch).map(|start| start..n.min(start.saturating_add(batch)));
        let source = self.train.clone();
        let mut batches = source.batches(look, &order, cuts.skip(first as usize))?;
        let mut progress = Progress::new(&format!("epoch {}/{}", epoch + 1, recipe.epochs), u64::from(steps));
        progress.advance(u64::from(first));
        let time = |before: f64| before + started.elapsed().as_secs_f64();
        for step in first..steps {
            if stop(epoch, step) {
                self.info.position = Position { epochs: epoch, steps: step, seconds: time(before) };
                self.save(folder)?;
                let (epochs, folder) = (recipe.epochs, folder.display());
                let state =
                    format!("{epoch} of {epochs} epochs and {step} of {steps} steps are in `{folder}`");
                return Err(ExtractError::Interrupted { state });
            }
            let Some(batch) = batches.next() else { break };
            self.step(&batch?, epoch, lr).map_err(ExtractError::torch("make a training step"))?;
            progress.advance(1);
        }
        let record = self.record(epoch, lr, time(before))?;
        progress.note(&summary(&record));
        progress.finish();
        self.end_epoch(folder, &record)
    }

    /// What an epoch came to.
    fn record(&self, epoch: u32, lr: f64, seconds: f64) -> Result<EpochRecord, ExtractError> {
        let [loss, train_accuracy] = self.means()?;
        if !loss.is_finite() {
            return Err(ExtractError::Diverged { epoch: epoch + 1, lr });
        }
        let (done, recipe, n) = (epoch + 1, &self.info.recipe, self.train.len());
        let measured = done == recipe.epochs || done % self.options.eval_every == 0;
        let measure = |source: &Source| {
            measured
                .then(|| Accuracy::measure(&self.backbone, &self.head, source, &self.info.class_counts))
                .transpose()
        };
        let (test, val) = (measure(&self.test)?, self.val.as_ref().map_or(Ok(None), measure)?);
        Ok(EpochRecord {
            epoch: done,
            loss,
            lr,
            train_accuracy,
            test,
            val,
            seconds,
            images_per_second: n as f64 / seconds,
        })
    }

    /// Stores the result of an epoch, and the weights where it is time.
    fn end_epoch(&mut self, folder: &Path, record: &EpochRecord) -> Result<(), ExtractError> {
        self.keep_if_best(record)?;
        // The log first: a line without a checkpoint is cut back on resume, a checkpoint without a line would be a gap.
        log::append(folder, record)?;
        self.info.position = Position { epochs: record.epoch, steps: 0, seconds: 0.0 };
        let _ = self.sums.f_zero_().map_err(ExtractError::torch("clear the sums of an epoch"))?;
        if self.info.finished() || self.cadence.is_worth_another() { self.save(folder) } else { Ok(()) }
    }

    /// Stores weights that are better than those of every epoch before.
    fn keep_if_best(&mut self, record: &EpochRecord) -> Result<(), ExtractError> {
        let Some(mut best) = self.best.take() else { return Ok(()) };
        if let Some(selected) = best.improved_by(record) {
            let position = Position { epochs: record.epoch, steps: 0, seconds: 0.0 };
            let info = CheckpointInfo { position, selected: Some(selected), ..self.info.clone() };
            best.keep(&info, &self.parameters())?;
        }
        self.best = Some(best);
        Ok(())
    }

    /// One step on a batch, in parts; nothing here waits for the device.
    fn step(&mut self, Batch { input, labels }: &Batch, epoch: u32, lr: f64) -> Result<(), TchError> {
        let parts = i64::try_from(self.info.recipe.accumulate).unwrap_or(i64::MAX);
        for (input, part) in input.f_chunk(parts, 0)?.iter().zip(labels.f_chunk(parts, 0)?) {
            self.part(input, &part, labels, epoch)?;
        }
        self.sgd.step(lr)
    }

    /// Adds the gradient of the images `input` `[part of B, 3, H, W]`, a part of a step with the labels `batch`.
    fn part(&mut self, input: &Tensor, labels: &Tensor, batch: &Tensor, epoch: u32) -> Result<(), TchError> {
        let features = self.backbone.features(input, BatchNormMode::Train)?;
        let logits = self.head.logits(&features)?; // [part of B, C]
        let weights = self.loss.weights(epoch, self.info.recipe.epochs);
        let loss = self.loss.mean(&logits, labels, weights)?.f_mul(&Loss::share(labels, batch, weights)?)?;
        self.sgd.backward(&loss)?;
        let _guard = tch::no_grad_guard();
        let right = logits.f_argmax(1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Double)?;
        let samples = batch.size1()? as f64;
        let loss = loss.f_detach()?.f_to_dtype(Kind::Double, false, false)?.f_mul_scalar(samples)?;
        let _ = self.sums.f_add_(&Tensor::f_stack(&[loss, right], 0)?)?;
        Ok(())
    }

    /// Mean loss and training accuracy of the current epoch; waits for the device.
    fn means(&self) -> Result<[f64; 2], ExtractError> {
        let sums = Vec::<f64>::try_from(&self.sums).map_err(ExtractError::torch("read the loss"))?;
        let mean = |index| sums.get(index).copied().unwrap_or(f64::NAN) / self.train.len() as f64;
        Ok([mean(0), mean(1)])
    }
}

/// Training steps on one batch, again and again: what `extractor bench` measures.
pub(crate) struct Steps {
    run: Run,
    batch: Batch,
}

impl Steps {
    /// A run that is in its first epoch, with a batch on the device.
    ///
    /// # Errors
    /// Those of [`train`].
    pub(crate) fn new(dataset: &Dataset, recipe: &Recipe, device: Device) -> Result<Self, ExtractError> {
        let class_counts = ClassCounts::from_labels(&dataset.train.labels, dataset.class_names.len())?;
        let info = CheckpointInfo::new(recipe, dataset, class_counts);
        let run =
            Run::new(dataset, info, &TrainOptions { device, eval_every: NonZeroU32::MIN, keep_best: None })?;
        let source = run.train.clone();
        let order: Vec<u32> = (0_u32..).take(recipe.batch_size).collect();
        let look = Look::Augmented { seed: recipe.seed, purpose: "stage1/augment", index: 0 };
        let mut batches = source.batches(look, &order, std::iter::once(0..order.len()))?;
        let batch = batches.next().ok_or(ExtractError::Worker { worker: "decoding" })??;
        Ok(Self { run, batch })
    }

    /// Forward, loss, backward, update.
    ///
    /// # Errors
    /// [`ExtractError::Torch`].
    pub(crate) fn step(&mut self) -> Result<(), ExtractError> {
        let lr = self.run.info.recipe.lr;
        self.run.step(&self.batch, 0, lr).map_err(ExtractError::torch("make a training step"))
    }
}

fn zero_sums(device: Device) -> Result<Tensor, TchError> {
    Tensor::f_zeros([2_i64], (Kind::Double, device))
}

/// An epoch in one line, accuracies in percent.
fn summary(record: &EpochRecord) -> String {
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{:.1}", 100.0 * value));
    let test = record.test.map_or(String::new(), |test| {
        let [all, many, medium, few] = [test.all, test.many, test.medium, test.few].map(percent);
        format!(", test {all} % (many {many} medium {medium} few {few})")
    });
    format!(
        "loss {:.3}, train {:.1} %{test}, {:.0} images/s",
        record.loss,
        100.0 * record.train_accuracy,
        record.images_per_second
    )
}
