//! The training loop.

use super::{
    accuracy::Accuracy,
    checkpoint::{self, CheckpointInfo, Position},
    device_set::DeviceSet,
    head::Head,
    log::{self, EpochRecord},
    loss::Loss,
    recipe::Recipe,
    sgd::Sgd,
};
use crate::{
    ExtractError,
    backbones::{Backbone, Compute},
    datasets::Dataset,
    transform::Draws,
    weights::{TensorFile, tensor_from_bytes},
};
use shared::{BatchNormMode, ClassCounts, interrupt::Interrupt, progress::Progress, random};
use std::{num::NonZeroU32, path::Path, time::Instant};
use tch::{Device, Kind, TchError, Tensor};

/// What does not decide the weights.
#[derive(Clone, Copy, Debug)]
pub struct TrainOptions {
    /// Where to compute.
    pub device: Device,
    /// Test accuracy after every so many epochs, and after the last.
    pub eval_every: NonZeroU32,
}

/// How a run ended that reached its last epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOutcome {
    /// The records of all epochs.
    pub epochs: Vec<EpochRecord>,
    /// Whether everything had been done before.
    pub was_finished: bool,
}

/// Trains a backbone and its head, or continues the run that `folder` holds.
///
/// Writes `checkpoint.safetensors` and a line of `train.jsonl` after each epoch.
///
/// # Errors
/// [`ExtractError::OtherSettings`] when `folder` holds another run; [`ExtractError::Diverged`] when the loss is no longer
/// a number; [`ExtractError::Interrupted`] after a request to stop, with the state on disk; [`ExtractError::InvalidSetting`],
/// [`ExtractError::UnknownName`], [`ExtractError::Torch`], [`ExtractError::Io`].
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
    std::fs::create_dir_all(folder).map_err(ExtractError::io("create", folder))?;
    let info = CheckpointInfo::new(recipe, dataset, class_counts);
    let stored = checkpoint::resume(folder, &info)?;
    let mut run = Run::new(dataset, info, options)?;
    if let Some((position, file)) = &stored {
        run.restore(*position, file)?;
    }
    log::cut_back(folder, run.info.position.epochs)?;
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
    train: DeviceSet,
    test: DeviceSet,
    /// Sums over the samples of the current epoch, on the device: loss, right answers; f64 `[2]`.
    sums: Tensor,
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
            train: DeviceSet::new(&dataset.train, options.device)?,
            test: DeviceSet::new(&dataset.test, options.device)?,
            backbone,
            head,
            sgd,
            sums,
            info,
        })
    }

    /// Every tensor that decides how the run goes on, under its name in the checkpoint.
    fn state(&self) -> Vec<(String, Tensor)> {
        let parameters = self.backbone.parameters().named().chain(self.head.parameters().named());
        parameters
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
            .chain(self.sgd.momenta().map(|(name, tensor)| (name, tensor.shallow_clone())))
            .chain([("epoch.sums".to_owned(), self.sums.shallow_clone())])
            .collect()
    }

    fn restore(&mut self, position: Position, file: &TensorFile) -> Result<(), ExtractError> {
        let state = self.state();
        file.copy_into(state.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
        self.info.position = position;
        Ok(())
    }

    fn save(&self, folder: &Path) -> Result<(), ExtractError> {
        checkpoint::save(folder, &self.info, &self.state())
    }

    /// Runs the rest of the current epoch, tests, and stores the result.
    fn epoch(&mut self, folder: &Path, stop: &dyn Fn(u32, u32) -> bool) -> Result<(), ExtractError> {
        let started = Instant::now();
        let recipe = self.info.recipe.clone();
        let Position { epochs: epoch, steps: first, seconds: before } = self.info.position;
        let lr = recipe.schedule.rate(recipe.lr, epoch, recipe.epochs, recipe.warm_up);
        let batch = i64::try_from(recipe.batch_size).unwrap_or(i64::MAX);
        let steps =
            u32::try_from(self.train.len().unsigned_abs().div_ceil(batch.unsigned_abs())).unwrap_or(u32::MAX);
        let (order, draws) = self.draw(epoch).map_err(ExtractError::torch("draw the order of an epoch"))?;
        let mut progress = Progress::new(&format!("epoch {}/{}", epoch + 1, recipe.epochs), u64::from(steps));
        progress.advance(u64::from(first));
        for step in first..steps {
            if stop(epoch, step) {
                let seconds = before + started.elapsed().as_secs_f64();
                self.info.position = Position { epochs: epoch, steps: step, seconds };
                self.save(folder)?;
                return Err(ExtractError::Interrupted {
                    state: format!(
                        "{epoch} of {} epochs and {step} of {steps} steps are in `{}`",
                        recipe.epochs,
                        folder.display()
                    ),
                });
            }
            let start = i64::from(step) * batch;
            order
                .f_narrow(0, start, batch.min(self.train.len() - start))
                .and_then(|rows| self.step(&rows, &draws, epoch, lr))
                .map_err(ExtractError::torch("make a training step"))?;
            progress.advance(1);
        }
        let [loss, train_accuracy] = self.means()?;
        let seconds = before + started.elapsed().as_secs_f64();
        if !loss.is_finite() {
            return Err(ExtractError::Diverged { epoch: epoch + 1, lr });
        }
        let done = epoch + 1;
        let test = (done == recipe.epochs || done % self.options.eval_every == 0)
            .then(|| {
                let Self { backbone, head, test, info, .. } = &*self;
                Accuracy::measure(backbone, head, test, &recipe.transform, &info.class_counts)
            })
            .transpose()
            .map_err(ExtractError::torch("measure the test accuracy"))?;
        let record = EpochRecord {
            epoch: done,
            loss,
            lr,
            train_accuracy,
            test,
            seconds,
            images_per_second: self.train.len() as f64 / seconds,
        };
        progress.note(&summary(&record));
        progress.finish();
        // The log first: a line without a checkpoint is cut back on resume, a checkpoint without a line would be a gap.
        log::append(folder, &record)?;
        self.info.position = Position { epochs: done, steps: 0, seconds: 0.0 };
        let _ = self.sums.f_zero_().map_err(ExtractError::torch("clear the sums of an epoch"))?;
        self.save(folder)
    }

    /// Order `[N]` i64 and augmentation of an epoch: functions of seed and epoch alone.
    fn draw(&self, epoch: u32) -> Result<(Tensor, Draws), TchError> {
        let Recipe { seed, transform, .. } = &self.info.recipe;
        let (device, epoch) = (self.options.device, u64::from(epoch));
        let n = usize::try_from(self.train.len()).unwrap_or(0);
        let order = random::permutation(&mut random::stream(*seed, "stage1/order", epoch), n);
        let order = tensor_from_bytes(bytemuck::cast_slice(&order), &[self.train.len()], Kind::Int)?;
        let order = order.f_to_dtype(Kind::Int64, false, false)?.f_to(device)?;
        Ok((order, Draws::new(*seed, "stage1/augment", epoch, n, transform.pad, device)?))
    }

    /// One step on the samples `rows` `[B]`, in parts; nothing here waits for the device.
    fn step(&mut self, rows: &Tensor, draws: &Draws, epoch: u32, lr: f64) -> Result<(), TchError> {
        let labels = self.train.labels.f_index_select(0, rows)?;
        let parts = i64::try_from(self.info.recipe.accumulate).unwrap_or(i64::MAX);
        for (rows, part) in rows.f_chunk(parts, 0)?.iter().zip(labels.f_chunk(parts, 0)?) {
            self.part(rows, &part, &labels, draws, epoch)?;
        }
        self.sgd.step(lr)
    }

    /// Adds the gradient of the samples `rows`, a part of a step with the labels `batch`.
    fn part(
        &mut self,
        rows: &Tensor,
        labels: &Tensor,
        batch: &Tensor,
        draws: &Draws,
        epoch: u32,
    ) -> Result<(), TchError> {
        let pixels = self.train.pixels.f_index_select(0, rows)?; // u8 [part of B, 3, H, W]
        let images = self.info.recipe.transform.augmented(&pixels, &draws.select(rows)?)?;
        let features = self.backbone.features(&images, BatchNormMode::Train)?;
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
