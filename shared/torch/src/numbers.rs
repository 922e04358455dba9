//! Slices of numbers become tensors on a device, and tensors numbers.

use crate::bytes::tensor_from_bytes;
use tch::{Device, Kind, TchError, Tensor};

/// Copies numbers into a tensor of `shape` on a device.
///
/// # Errors
/// [`TchError::Shape`] unless the numbers fill the shape; libtorch's.
pub fn from_f32(numbers: &[f32], shape: &[i64], device: Device) -> Result<Tensor, TchError> {
    from_bytes(bytemuck::cast_slice(numbers), shape, Kind::Float, device)
}

/// Copies integers into a tensor of `shape` on a device.
///
/// # Errors
/// [`TchError::Shape`] unless the numbers fill the shape; libtorch's.
pub fn from_i64(numbers: &[i64], shape: &[i64], device: Device) -> Result<Tensor, TchError> {
    from_bytes(bytemuck::cast_slice(numbers), shape, Kind::Int64, device)
}

/// Copies double-precision coefficients into an f32 tensor of `shape`.
///
/// # Errors
/// [`TchError::Shape`] unless the numbers fill the shape; libtorch's.
pub fn from_f64(numbers: &[f64], shape: &[i64], device: Device) -> Result<Tensor, TchError> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "heads are f32; coefficients are computed in f64 and rounded once"
    )]
    let narrow: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    from_f32(&narrow, shape, device)
}

/// Copies stored bytes into a tensor.
///
/// # Errors
/// [`TchError::Shape`] unless the numbers fill the shape; libtorch's.
pub fn from_bytes(bytes: &[u8], shape: &[i64], kind: Kind, device: Device) -> Result<Tensor, TchError> {
    let tensor = tensor_from_bytes(bytes, shape, kind)?;
    if device == Device::Cpu { Ok(tensor) } else { tensor.f_to_device(device) }
}

/// Copies a tensor's numbers to the host, row-major; a device sync.
///
/// # Errors
/// libtorch's.
pub fn to_f32(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let mut numbers = Vec::new();
    read_f32(tensor, &mut numbers)?;
    Ok(numbers)
}

/// As [`to_f32`] in the place of earlier numbers, whose memory is used again.
///
/// # Errors
/// libtorch's.
pub fn read_f32(tensor: &Tensor, numbers: &mut Vec<f32>) -> Result<(), TchError> {
    let tensor = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    numbers.resize(tensor.numel(), 0.0);
    let length = numbers.len();
    tensor.f_copy_data(numbers, length)
}

/// Copies a tensor's numbers to the host in double precision, row-major; a device sync.
///
/// # Errors
/// libtorch's.
pub fn to_f64(tensor: &Tensor) -> Result<Vec<f64>, TchError> {
    let tensor = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_contiguous()?;
    let mut numbers = vec![0.0; tensor.numel()];
    let length = numbers.len();
    tensor.f_copy_data(&mut numbers, length)?;
    Ok(numbers)
}

/// Copies a tensor of counts to the host, row-major; a device sync.
///
/// # Errors
/// libtorch's.
pub fn to_counts(tensor: &Tensor) -> Result<Vec<u64>, TchError> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of samples: whole numbers far below 2^53"
    )]
    let count = |number: f64| number as u64;
    Ok(to_f64(tensor)?.into_iter().map(count).collect())
}

/// A length as libtorch counts.
pub fn size(length: usize) -> i64 {
    // Lengths of slices never exceed isize::MAX.
    i64::try_from(length).unwrap_or(i64::MAX)
}
