//! What is measured: the code that `train` and `dump` run, on generated images.

use super::{clock, images, images::Photographs};
use crate::{
    ExtractError,
    backbones::{Backbone, Compute, ImageSize},
    batches::{Look, Source},
    config::Precision,
    datasets::Dataset,
    dump::{DumpSettings, dump, rows_per_shard},
    frozen::Frozen,
    stage1::{Recipe, Steps},
    transform::{Photo, Transform},
};
use cache::{BackboneInfo, BatchNormMode, Dtype};
use program::{interrupt::Interrupt, partition::Partition, process::peak_memory};
use std::{fmt, time::Duration};
use tch::Device;
use torch::device::synchronise;

/// Photographs that a pass of `decode` has at least; they are the same files again and again.
const DECODED: usize = 4096;

/// A piece of work with a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// JPEG files to normalised batches.
    Decode,
    /// A batch to features, batch normalisation by running statistics.
    Forward(Precision),
    /// A training step on a batch: forward, loss, backward, update.
    Step(Precision),
    /// Images to a finished cache.
    Dump(Precision),
}

/// Every task, in the order in which they are printed.
pub const TASKS: [Task; 6] = [
    Task::Decode,
    Task::Forward(Precision::F32),
    Task::Forward(Precision::Bf16),
    Task::Step(Precision::F32),
    Task::Step(Precision::Bf16),
    Task::Dump(Precision::F32),
];

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Decode => "decode".to_owned(),
            Self::Forward(precision) => format!("forward {precision}"),
            Self::Step(precision) => format!("step {precision}"),
            Self::Dump(precision) => format!("dump {precision}"),
        })
    }
}

/// What is measured, and where.
#[derive(Clone, Debug)]
pub struct BenchSettings {
    /// The training whose steps, forward passes and dumps are measured, whatever its precision.
    pub recipe: Recipe,
    /// The images that its backbone takes.
    pub images: ImageSize,
    /// Where to compute.
    pub device: Device,
}

/// From generated images to a backbone's input.
pub fn transform(images: ImageSize) -> Transform {
    match images {
        // Photographs, too, become small: for the comparison of memory.
        ImageSize::Small => Transform { photo: Some(Photo::new(36, 32)), ..Transform::CIFAR },
        ImageSize::Large => Transform::PHOTOGRAPHS,
    }
}

/// Generated images in a folder that goes with it, and the settings.
#[derive(Debug)]
pub struct Bench {
    settings: BenchSettings,
    folder: tempfile::TempDir,
    photographs: Photographs,
    interrupt: Interrupt,
    /// Dumps so far: each has a folder of its own.
    dumps: u32,
    /// Images per second of the last forward passes.
    forward: f64,
}

impl Bench {
    /// Generates the images.
    ///
    /// # Errors
    /// [`ExtractError::File`].
    pub fn new(settings: BenchSettings, interrupt: Interrupt) -> Result<Self, ExtractError> {
        let folder = tempfile::Builder::new()
            .prefix("extractor-bench-")
            .tempdir()
            .map_err(ExtractError::io("create a temporary folder in", &std::env::temp_dir()))?;
        let images = folder.path().join("images");
        std::fs::create_dir(&images).map_err(ExtractError::io("create", &images))?;
        let photographs = Photographs::write(&images)?;
        Ok(Self { settings, folder, photographs, interrupt, dumps: 0, forward: 0.0 })
    }

    /// The folder of the photographs, and how many there are.
    pub fn photographs(&self) -> (&std::path::Path, usize) {
        let (folder, names) = self.photographs.files();
        (folder, names.len())
    }

    /// Side of the images that the backbone sees.
    pub fn side(&self) -> usize {
        self.settings.recipe.transform.photo.as_ref().map_or(0, |photo| photo.crop)
    }

    /// What is measured.
    pub fn settings(&self) -> &BenchSettings {
        &self.settings
    }

    /// Images per second of a task, measured for about `time`.
    ///
    /// # Errors
    /// Those of the task; [`ExtractError::Interrupted`].
    pub fn rate(&mut self, task: Task, time: Duration) -> Result<f64, ExtractError> {
        if self.interrupt.requested() {
            return Err(ExtractError::Interrupted { state: "nothing is kept".to_owned() });
        }
        match task {
            Task::Decode => self.decode(time),
            Task::Forward(precision) => {
                self.forward = self.forward(precision, time)?;
                Ok(self.forward)
            }
            Task::Step(precision) => self.step(precision, time),
            Task::Dump(precision) => {
                // As many images as the forward passes just before did in that time.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a positive estimate"
                )]
                let images = (self.forward * time.as_secs_f64()) as usize;
                let batch = self.settings.recipe.batch_size;
                self.dump(precision, &self.dataset(images.div_ceil(2 * batch) * batch))
            }
        }
    }

    /// Peak memory in bytes after a dump of `n` photographs, and after one of 4 `n`; `None` where the system does not tell.
    ///
    /// It is the peak of the whole process: call it first.
    ///
    /// # Errors
    /// Those of a dump.
    pub fn memory(&mut self, n: usize) -> Result<Option<[u64; 2]>, ExtractError> {
        let mut peak = |n| {
            let dataset = self.photographs.dataset(n);
            self.dump(Precision::F32, &dataset)?;
            Ok::<_, ExtractError>(peak_memory())
        };
        let (one, four) = (peak(n)?, peak(n.saturating_mul(4))?);
        Ok(one.zip(four).map(|(one, four)| [one, four]))
    }

    fn decode(&self, time: Duration) -> Result<f64, ExtractError> {
        let images = self.photographs.dataset(DECODED.max(4 * self.settings.recipe.batch_size)).train;
        let source = Source::new(&images, &Transform::PHOTOGRAPHS, Device::Cpu)?;
        let (order, cuts) = self.cuts(source.len());
        let mut batches = source.batches(Look::Clean, &order, cuts.clone())?;
        let next = || -> Result<usize, ExtractError> {
            loop {
                match batches.next() {
                    Some(batch) => return Ok(usize::try_from(batch?.input.size()[0]).unwrap_or(0)),
                    None => batches = source.batches(Look::Clean, &order, cuts.clone())?,
                }
            }
        };
        clock::rate(time, next, || ())
    }

    fn forward(&self, precision: Precision, time: Duration) -> Result<f64, ExtractError> {
        let frozen = self.frozen(precision)?;
        let dataset = self.dataset(self.settings.recipe.batch_size);
        let source = Source::new(&dataset.train, &frozen.transform, self.settings.device)?;
        let (order, cuts) = self.cuts(self.settings.recipe.batch_size);
        let Some(batch) = source.batches(Look::Clean, &order, cuts)?.next() else { return Ok(0.0) };
        let input = batch?.input;
        let _guard = tch::no_grad_guard();
        let forward = || {
            frozen
                .backbone
                .features(&input, BatchNormMode::Eval)
                .map(|_| order.len())
                .map_err(ExtractError::torch("compute features"))
        };
        clock::rate(time, forward, || synchronise(self.settings.device))
    }

    fn step(&self, precision: Precision, time: Duration) -> Result<f64, ExtractError> {
        let batch = self.settings.recipe.batch_size;
        let mut steps = Steps::new(&self.dataset(batch), &self.recipe(precision), self.settings.device)?;
        clock::rate(time, || steps.step().map(|()| batch), || synchronise(self.settings.device))
    }

    fn dump(&mut self, precision: Precision, dataset: &Dataset) -> Result<f64, ExtractError> {
        let frozen = self.frozen(precision)?;
        self.dumps += 1;
        let out = self.folder.path().join(format!("cache-{}", self.dumps));
        let settings = DumpSettings {
            augmented: 0,
            seed: 0,
            dtype: Dtype::F16,
            batch_size: self.settings.recipe.batch_size,
            shard_rows: rows_per_shard(&frozen, Dtype::F16, &out),
            precision,
            batch_norm: BatchNormMode::Eval,
            train_batch_size: self.settings.recipe.batch_size,
            partition: Partition::WHOLE,
        };
        let started = std::time::Instant::now();
        dump(&frozen, dataset, &settings, &out, &self.interrupt)?;
        let seconds = started.elapsed().as_secs_f64();
        std::fs::remove_dir_all(&out).map_err(ExtractError::io("remove", &out))?;
        // The test split comes clean and flipped.
        Ok((dataset.train.len() + 2 * dataset.test.len()) as f64 / seconds)
    }

    /// `n` training images of the size that the backbone takes.
    fn dataset(&self, n: usize) -> Dataset {
        match self.settings.images {
            ImageSize::Small => images::small(n),
            ImageSize::Large => self.photographs.dataset(n),
        }
    }

    /// All rows in order, in batches.
    fn cuts(&self, rows: usize) -> (Vec<u32>, Vec<std::ops::Range<usize>>) {
        let batch = self.settings.recipe.batch_size;
        let cuts = (0..rows).step_by(batch).map(|start| start..rows.min(start.saturating_add(batch)));
        ((0_u32..).take(rows).collect(), cuts.collect())
    }

    fn frozen(&self, precision: Precision) -> Result<Frozen, ExtractError> {
        let BenchSettings { recipe, device, .. } = &self.settings;
        let compute = Compute { device: *device, precision, layout: recipe.layout };
        let backbone = Backbone::build(&recipe.backbone, recipe.width, 0, compute)?;
        let info = BackboneInfo { architecture: backbone.architecture(), ..BackboneInfo::default() };
        Ok(Frozen { backbone, info, head: None, transform: recipe.transform.clone() })
    }

    fn recipe(&self, precision: Precision) -> Recipe {
        Recipe { precision, ..self.settings.recipe.clone() }
    }
}
