//! Bytes become tensors, and tensors bytes.

use std::{
    mem::MaybeUninit,
    sync::{Mutex, PoisonError},
    thread,
};
use tch::{Device, Kind, TchError, Tensor};

/// The number that each byte stands for, for each of three colours.
pub type ByteTables = [[f32; 256]; 3];

/// A CPU tensor that holds a copy of `bytes`, row-major, little-endian.
///
/// # Errors
/// [`TchError::Shape`] unless `bytes` holds exactly the elements of `shape`; libtorch would read past its end.
pub fn tensor_from_bytes(bytes: &[u8], shape: &[i64], kind: Kind) -> Result<Tensor, TchError> {
    check_shape(bytes, shape, kind)?;
    Tensor::f_from_data_size(bytes, shape, kind)
}

fn check_shape(bytes: &[u8], shape: &[i64], kind: Kind) -> Result<(), TchError> {
    let expected = shape
        .iter()
        .map(|&size| usize::try_from(size).ok())
        .try_fold(kind.elt_size_in_bytes(), |product, size| product.checked_mul(size?));
    if expected != Some(bytes.len()) {
        return Err(TchError::Shape(format!(
            "{} bytes for a {kind:?} tensor of shape {shape:?}",
            bytes.len()
        )));
    }
    Ok(())
}

/// A CPU tensor f32 of the numbers that three bytes after three bytes stand for, row-major, made by as many threads as
/// libtorch has.
///
/// # Errors
/// [`TchError::Shape`] unless `bytes` holds exactly the elements of `shape`, whose last one is 3; libtorch's, without memory.
pub fn tensor_by_tables(bytes: &[u8], shape: &[i64], tables: &ByteTables) -> Result<Tensor, TchError> {
    check_shape(bytes, shape, Kind::Uint8)?;
    if shape.last() != Some(&3) {
        return Err(TchError::Shape(format!("{shape:?}, not pixels of three colours")));
    }
    let tensor = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?;
    // SAFETY: a new tensor lies contiguous in memory of its own, one f32 for each byte; it outlives the slice.
    let numbers =
        unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<MaybeUninit<f32>>(), bytes.len()) };
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
    let share = 3 * (bytes.len() / 3).div_ceil(threads).max(1);
    let shares = Mutex::new(bytes.chunks(share).zip(numbers.chunks_mut(share)));
    let next = || shares.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((bytes, numbers)) = next() {
            look_up(bytes, numbers, tables);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread is to be had the others do its share.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    Ok(tensor)
}

/// Every number is written: both slices have the same multiple of three elements.
fn look_up(bytes: &[u8], numbers: &mut [MaybeUninit<f32>], [red, green, blue]: &ByteTables) {
    let (pixels, _) = bytes.as_chunks::<3>();
    let (colours, _) = numbers.as_chunks_mut::<3>();
    for (&[r, g, b], to) in pixels.iter().zip(colours) {
        *to = [red[usize::from(r)], green[usize::from(g)], blue[usize::from(b)]].map(MaybeUninit::new);
    }
}

/// The elements of a tensor on any device, row-major, little-endian.
///
/// # Errors
/// libtorch's, when the tensor cannot be copied to the CPU.
pub fn tensor_bytes(tensor: &Tensor) -> Result<Vec<u8>, TchError> {
    let tensor = tensor.f_detach()?.f_to(Device::Cpu)?.f_contiguous()?;
    let elements = tensor.numel();
    let mut bytes = vec![0_u8; elements * tensor.f_kind()?.elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, elements)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_round_trip_in_any_memory_order() {
        let bytes: Vec<u8> = (0..24_u8).collect();
        let tensor = tensor_from_bytes(&bytes, &[2, 3, 4], Kind::Uint8).unwrap();
        assert_eq!(tensor_bytes(&tensor).unwrap(), bytes);
        let reordered =
            tensor.f_permute([2, 0, 1]).unwrap().f_contiguous().unwrap().f_permute([1, 2, 0]).unwrap();
        assert_eq!(tensor_bytes(&reordered).unwrap(), bytes);
    }

    #[test]
    fn rejects_bytes_that_do_not_fill_the_shape() {
        for (bytes, shape) in [(7, vec![2_i64]), (8, vec![-2]), (8, vec![i64::MAX, 4])] {
            let result = tensor_from_bytes(&vec![0; bytes], &shape, Kind::Float);
            assert!(matches!(result, Err(TchError::Shape(_))), "{bytes} {shape:?}");
        }
    }
}
