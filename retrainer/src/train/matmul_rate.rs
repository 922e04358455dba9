//! How fast this machine multiplies matrices: the floor that plans and benches compare with.

use super::{bridge::size, device::Device, error::TrainError};
use std::time::{Duration, Instant};
use tch::{Kind, Tensor};

/// Floating-point operations a second of the two products of a step, `[B, D]·[D, K]` and `[D, B]·[B, K]`, on one worker.
///
/// # Errors
/// [`TrainError::Torch`].
pub fn matmul_rate(
    device: Device,
    batch: usize,
    dim: usize,
    columns: usize,
    budget: Duration,
) -> Result<f64, TrainError> {
    let _guard = tch::no_grad_guard();
    let options = (Kind::Float, device);
    let features = Tensor::f_rand([size(batch), size(dim)], options)?;
    let weight = Tensor::f_rand([size(dim), size(columns)], options)?;
    let logits = Tensor::f_rand([size(batch), size(columns)], options)?;
    let gradient = Tensor::f_rand([size(dim), size(columns)], options)?;
    let transposed = features.f_tr()?;
    let step = || -> Result<(), TrainError> {
        let _ = features.f_mm_out(&logits, &weight)?;
        let _ = transposed.f_mm_out(&gradient, &logits)?;
        Ok(())
    };
    step()?;
    let (started, mut steps) = (Instant::now(), 0_u32);
    while started.elapsed() < budget || steps == 0 {
        step()?;
        steps += 1;
        if device != Device::Cpu {
            tch::Cuda::synchronize(0);
        }
    }
    let flops = 4.0 * batch as f64 * dim as f64 * columns as f64 * f64::from(steps);
    Ok(flops / started.elapsed().as_secs_f64())
}
