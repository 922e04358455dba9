//! How fast groups train, against how fast this machine multiplies matrices.

use super::{bridge::size, data::Data, device::Device, error::TrainError, fit, rows_at_once};
use crate::{
    head::Classifier,
    plan::{GroupKey, HeadJob, Precision},
};
use shared::{
    FeatureCache,
    random::{self, permutation},
};
use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};
use tch::{Kind, Tensor};

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

/// Floating-point operations a second of the two products of a step, `[B, D]·[D, K]` and `[D, B]·[B, K]`, on this thread.
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
    // A CPU multiplies in f32 whatever the precision.
    let narrow = precision == Precision::Bf16 && device != Device::Cpu;
    let kind = if narrow { Kind::BFloat16 } else { Kind::Float };
    let random = |rows: usize, columns: usize| {
        Tensor::f_rand([size(rows), size(columns)], (Kind::Float, device))?.f_to_kind(kind)
    };
    let (features, weight) = (random(batch, dim)?, random(dim, columns)?);
    let (logits, gradient) = (random(batch, columns)?, random(dim, columns)?);
    let transposed = features.f_tr()?;
    let steps = repeat(device, budget, || {
        let _ = features.f_mm_out(&logits, &weight)?;
        let _ = transposed.f_mm_out(&gradient, &logits)?;
        Ok(())
    })?;
    Ok(4.0 * batch as f64 * dim as f64 * columns as f64 * steps)
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
    jobs: &[HeadJob],
    budget: Duration,
) -> Result<Measured, TrainError> {
    let together = Barrier::new(workers);
    let (dim, columns) = (cache.dim(), jobs.len() * cache.class_counts().classes());
    let batch = key.stream.batch_size;
    let worker = || -> Result<(f64, f64), TrainError> {
        if device == Device::Cpu {
            tch::set_num_threads(1);
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
    jobs: &[HeadJob],
    budget: Duration,
) -> Result<f64, TrainError> {
    let data = Data::new(cache, device, false, false)?;
    let mut group = fit::start_group(&key, jobs, &data)?;
    group.start_epoch(0)?;
    let stream = key.stream;
    let order = permutation(&mut random::stream(stream.seed, "bench", 0), data.samples());
    let batches: Vec<&[u32]> = order.chunks_exact(stream.batch_size.clamp(1, order.len().max(1))).collect();
    let columns = jobs.len() * cache.class_counts().classes();
    let mut position = 0;
    let steps = repeat(device, budget, || {
        if let Some(indices) = batches.get(position % batches.len().max(1)) {
            let (features, labels) = data.batch(indices, None, Classifier::Linear)?;
            group.step(&features, &labels, rows_at_once(columns))?;
        }
        position += 1;
        Ok(())
    })?;
    Ok(4.0 * stream.batch_size.min(order.len()) as f64 * cache.dim() as f64 * columns as f64 * steps)
}

/// Repetitions a second, after one to warm up.
fn repeat(
    device: Device,
    budget: Duration,
    mut step: impl FnMut() -> Result<(), TrainError>,
) -> Result<f64, TrainError> {
    let synchronise = || {
        if let Device::Cuda(index) = device {
            tch::Cuda::synchronize(i64::try_from(index).unwrap_or(0));
        }
    };
    step()?;
    synchronise();
    let (started, mut steps) = (Instant::now(), 0_u32);
    while started.elapsed() < budget || steps == 0 {
        // A few steps between looks at the clock, so that a device is not drained after each.
        for _ in 0..4 {
            step()?;
        }
        synchronise();
        steps += 4;
    }
    Ok(f64::from(steps) / started.elapsed().as_secs_f64())
}
