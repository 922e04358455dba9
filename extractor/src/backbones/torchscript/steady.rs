//! Whether a module's features depend on their image alone, as they do in evaluation mode.
//!
//! Tracing keeps the mode: a module traced in training mode normalises by the statistics of whatever images share a batch, and
//! draws dropout anew in each run, and nothing in it says so.

use tch::{CModule, Device, Kind, TchError, Tensor};

/// Runs that must agree: dropout and stochastic depth of small rates differ in one of them.
const RUNS: usize = 3;

/// How the features of an image change that should be the same, for a message; `None` where they do not.
///
/// # Shapes
/// `images` `[2, 3, H, W]`, ordinary ones.
///
/// # Errors
/// libtorch's, where the module does not take these images, or one of them alone.
pub(super) fn unsteadiness(module: &CModule, images: &Tensor) -> Result<Option<String>, TchError> {
    // Rows of different brightness and contrast: batch statistics of both are not those of one.
    let (first, second) = (images.f_narrow(0, 0, 1)?, images.f_narrow(0, 1, 1)?);
    let second = second.f_mul_scalar(0.3)?.f_add_scalar(1.0)?;
    let batch = Tensor::f_cat(&[&first, &second], 0)?;
    let run = |images: &Tensor| {
        module.forward_ts(std::slice::from_ref(images))?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)
    };
    let features = run(&batch)?;
    let largest = largest(&features)?;
    if !largest.is_finite() {
        return Ok(Some("NaN or infinity for ordinary images".to_owned()));
    }
    let told = |difference: f64, when: &str| {
        let moved = difference / largest.max(f64::MIN_POSITIVE);
        // A NaN is a difference too: it is within no bound.
        let agrees = moved <= tolerance(images.device(), images.f_kind()?);
        let text = || format!("features that move by {:.2} of the largest {when}", moved.min(99.0));
        Ok((!agrees).then(text))
    };
    for _ in 1..RUNS {
        let again = told(self::largest(&run(&batch)?.f_sub(&features)?)?, "from one run to the next")?;
        if again.is_some() {
            return Ok(again);
        }
    }
    let alone = run(&first)?.f_sub(&features.f_narrow(0, 0, 1)?)?;
    told(self::largest(&alone)?, "with the other images of the batch")
}

/// How far features may move, in units of the largest: kernels for another batch size round otherwise, on CUDA devices in TF32.
fn tolerance(device: Device, kind: Kind) -> f64 {
    match (device, kind) {
        (Device::Cpu, Kind::Float | Kind::Double) => 1e-3,
        (_, Kind::Float | Kind::Double) => 1e-2,
        _ => 5e-2,
    }
}

fn largest(tensor: &Tensor) -> Result<f64, TchError> {
    tensor.f_abs()?.f_max()?.f_double_value(&[])
}
