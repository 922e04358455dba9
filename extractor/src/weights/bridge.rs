//! The one place where bytes become tensors and tensors become bytes.

use tch::{Device, Kind, TchError, Tensor};

/// A CPU tensor that holds a copy of `bytes`, row-major, little-endian.
///
/// # Errors
/// [`TchError::Shape`] unless `bytes` holds exactly the elements of `shape`; libtorch would read past its end.
pub fn tensor_from_bytes(bytes: &[u8], shape: &[i64], kind: Kind) -> Result<Tensor, TchError> {
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
    Tensor::f_from_data_size(bytes, shape, kind)
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
