//! How fast groups train, against how fast this machine multiplies matrices.

use super::{
    data::{Data, Pass},
    device::{Device, one_thread},
    error::TrainError,
    fit,
    head_group::HeadGroup,
};
use cache::FeatureCache;
use experiment::plan::memory::rows_at_once;
use experiment::plan::{GroupKey, Precision, TrainedJob};
use longtail::random::{self, permutation};
use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};
use tch::{Kind, Tensor};
use torch::{device::synchronise, numbers::size};

/// One group size, measured on all workers at once.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Heads in a group.
    pub heads: usize,
    /// Floating-point operations a second of the two products of a step alone, at these shapes, all workers together.
    pub matmul_rate: f64,
    /// Floating-point operations a second of whole training steps, counting the products only.
    pub training_rate: f64,
}

/// The two products of a step alone, `[B, D]·[D, K]` and `[D, B]·[B, K]`.
#[derive(Debug)]
pub struct Products {
    features: Tensor,
    transposed: Tensor,
    weight: Tensor,
    logits: Tensor,
    gradient: Tensor,
}

impl Products {
    /// Matrices of random numbers.
    ///
    /// # Errors
    /// [`TrainError::Torch`].
    pub fn new(
        device: Device,
        batch: usize,
        dim: usize,
        columns: usize,
        precision: Precision,
    ) -> Result<Self, TrainError> {
        // A CPU multiplies in f32 whatever the precision.
        let narrow = precision == Precision::Bf16 && device != Device::Cpu;
        let kind = if narrow { Kind::BFloat16 } else { Kind::Float };
        let random = |rows: usize, columns: usize| {
            Tensor::f_rand([size(rows), size(columns)], (Kind::Float, device))?.f_to_kind(kind)
        };
        let features = random(batch, dim)?;
        Ok(Self {
            transposed: features.f_tr()?,
            features,
            weight: random(dim, columns)?,
            logits: random(batch, columns)?,
            gradient: random(dim, columns)?,
        })
    }

    /// Floating-point operations of [`Products::multiply`].
    pub fn flops(&self) -> f64 {
        4.0 * self.features.numel() as f64 * self.logits.size().last().copied().unwrap_or(0) as f64
    }

    /// Both products, once.
    ///
    /// # Errors
    /// [`TrainError::Torch`].
    pub fn multiply(&self) -> Result<(), TrainError> {
        let _ = self.features.f_mm_out(&self.logits, &self.weight)?;
        let _ = self.transposed.f_mm_out(&self.gradient, &self.logits)?;
        Ok(())
    }
}

/// Floating-point operations a second of the two products of a step on this thread.
///
/// # Errors
/// [`TrainError::Torch`].
pub fn matmul_rate(
    device: Device,
    batch: usize,
    dim: usize,
    columns: usize,
    precision: Precision,
    budget: Duration,
) -> Result<f64, TrainError> {
    let _guard = tch::no_grad_guard();
    let products = Products::new(device, batch, dim, columns, precision)?;
    Ok(products.flops() * repeat(device, budget, || products.multiply())?)
}

/// Bytes of weights and momentum that a step of `columns` columns reads and writes at least: weights for the product forward,
/// momentum twice for the product backward, momentum and twice the weights for the step.
pub fn step_bytes(dim: usize, columns: usize) -> f64 {
    6.0 * size_of::<f32>() as f64 * dim as f64 * columns as f64
}

/// Bytes a second, read and written, of a copy that no cache holds.
///
/// # Errors
/// [`TrainError::Torch`].
pub fn copy_rate(device: Device, budget: Duration) -> Result<f64, TrainError> {
    let _guard = tch::no_grad_guard();
    let from = Tensor::f_rand([1 << 28], (Kind::Float, device))?;
    let mut to = from.f_zeros_like()?;
    let copies = repeat(device, budget, || Ok(to.f_copy_(&from)?))?;
    Ok(copies * 2.0 * 4.0 * from.numel() as f64)
}

/// Measures one group size: `workers` threads side by side, each with its own group, first the products alone, then steps.
///
/// # Errors
/// [`TrainError`] of any worker.
pub fn measure(
    cache: &FeatureCache,
    device: Device,
    workers: usize,
    key: GroupKey,
    jobs: &[TrainedJob],
    budget: Duration,
) -> Result<Measured, TrainError> {
    let together = Barrier::new(workers);
    let (dim, columns) = (cache.dim(), jobs.len() * cache.class_counts().classes());
    let batch = key.stream.batch_size;
    let worker = || -> Result<(f64, f64), TrainError> {
        if device == Device::Cpu {
            one_thread();
        }
        let _guard = tch::no_grad_guard();
        together.wait();
        let matmul = matmul_rate(device, batch, dim, columns, key.precision, budget);
        together.wait();
        let training = training_rate(cache, device, key, jobs, budget);
        Ok((matmul?, training?))
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let mut measured = Measured { heads: jobs.len(), matmul_rate: 0.0, training_rate: 0.0 };
        for thread in threads {
            let (matmul, training) =
                thread.join().map_err(|_| TrainError::Worker("a bench worker panicked".to_owned()))??;
            measured.matmul_rate += matmul;
            measured.training_rate += training;
        }
        Ok(measured)
    })
}

fn training_rate(
    cache: &FeatureCache,
    device: Device,
    key: GroupKey,
    jobs: &[TrainedJob],
    budget: Duration,
) -> Result<f64, TrainError> {
    let mut steps = Steps::new(cache, device, key, jobs)?;
    let flops = steps.flops();
    Ok(flops * repeat(device, budget, || steps.step())?)
}

/// A group in training, one step at a time: what benches repeat.
#[derive(Debug)]
pub struct Steps<'cache> {
    data: Data<'cache>,
    group: HeadGroup,
    key: GroupKey,
    columns: usize,
    pass: Pass,
    position: usize,
}

impl<'cache> Steps<'cache> {
    /// Starts a group on the training split, in a random order of samples.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn new(
        cache: &'cache FeatureCache,
        device: Device,
        key: GroupKey,
        jobs: &[TrainedJob],
    ) -> Result<Self, TrainError> {
        let _guard = tch::no_grad_guard();
        let data = Data::new(cache, device, false, false)?;
        let mut group = fit::start_group(&key, jobs, &data)?;
        group.start_epoch(0)?;
        let order = permutation(&mut random::stream(key.stream.seed, "bench", 0), data.samples());
        let columns = jobs.len() * cache.class_counts().classes();
        let pass = data.pass(order, None)?;
        Ok(Self { data, group, key, columns, pass, position: 0 })
    }

    /// Samples in a step.
    fn batch(&self) -> usize {
        self.key.stream.batch_size.min(self.pass.len())
    }

    /// Floating-point operations of a step in its two products over features, which a linear head has.
    pub fn flops(&self) -> f64 {
        4.0 * self.batch() as f64 * self.data.dim as f64 * self.columns as f64
    }

    /// One step of all heads on the next batch.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn step(&mut self) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        let batch = self.batch();
        let whole = self.pass.len() / batch.max(1);
        let start = self.position % whole.max(1) * batch;
        self.position += 1;
        self.group.step(&self.data, &self.pass, start..start + batch, rows_at_once(self.columns))
    }
}

/// Repetitions a second, after one to warm up.
fn repeat(
    device: Device,
    budget: Duration,
    mut step: impl FnMut() -> Result<(), TrainError>,
) -> Result<f64, TrainError> {
    step()?;
    synchronise(device);
    let (started, mut steps) = (Instant::now(), 0_u32);
    while started.elapsed() < budget || steps == 0 {
        // A few steps between looks at the clock, so that a device is not drained after each.
        for _ in 0..4 {
            step()?;
        }
        synchronise(device);
        steps += 4;
    }
    Ok(f64::from(steps) / started.elapsed().as_secs_f64())
}
