//! The two wide matrix products of a step: inputs in the precision asked for, sums in f32.
//!
//! On a CUDA device bf16 inputs go to its tensor cores, which sum in f32. libtorch has no such product for a CPU, so there
//! the inputs are rounded to bf16 and multiplied in f32: the same numbers up to the order of sums, and no gain in time.

use super::error::TrainError;
use experiment::plan::Precision;
use tch::{Device, Kind, Tensor};

/// `x weight + bias`, `[B, D] · [D, K]`, with `bias` `[1, K]`.
pub(super) fn forward(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    precision: Precision,
) -> Result<Tensor, TrainError> {
    if precision == Precision::Bf16 {
        if let Device::Cuda(_) = x.device() {
            let mut product = bf16(x)?.f_mm_dtype(&bf16(weight)?, Kind::Float)?;
            if let Some(bias) = bias {
                let _ = product.f_add_(bias)?;
            }
            return Ok(product);
        }
        return forward(&rounded(x)?, &rounded(weight)?, bias, Precision::F32);
    }
    Ok(match bias {
        Some(bias) => bias.f_addmm(x, weight)?,
        None => x.f_mm(weight)?,
    })
}

/// `sum ← sum + factor · xᵀ gradient`, `[D, B] · [B, K]`.
pub(super) fn accumulate(
    sum: &mut Tensor,
    x: &Tensor,
    gradient: &Tensor,
    factor: f64,
    precision: Precision,
) -> Result<(), TrainError> {
    // The factor goes into the small matrix.
    let x = x.f_mul_scalar(factor)?.f_tr()?;
    let _ = match (precision, x.device()) {
        (Precision::Bf16, Device::Cuda(_)) => {
            sum.f_add_(&bf16(&x)?.f_mm_dtype(&bf16(gradient)?, Kind::Float)?)?
        }
        (Precision::Bf16, _) => sum.f_addmm_(&rounded(&x)?, &rounded(gradient)?)?,
        (Precision::F32 | Precision::Tf32, _) => sum.f_addmm_(&x, gradient)?,
    };
    Ok(())
}

fn bf16(tensor: &Tensor) -> Result<Tensor, TrainError> {
    Ok(tensor.f_to_kind(Kind::BFloat16)?)
}

/// The nearest numbers of bf16, as f32.
fn rounded(tensor: &Tensor) -> Result<Tensor, TrainError> {
    Ok(bf16(tensor)?.f_to_kind(Kind::Float)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use torch::numbers::{from_f32, to_f32};

    /// To the nearest bf16, ties to even, by its bits.
    fn nearest(number: f32) -> f64 {
        let bits = number.to_bits();
        let rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
        f64::from(f32::from_bits(rounded))
    }

    /// Numbers between −1 and 1 with full mantissas.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        (0..)
            .take(count)
            .map(|i: u32| ((i * 7919 + seed * 104_729) % 65_537) as f32 / 32_771.0 - 1.0)
            .collect()
    }

    fn matrix(numbers: &[f32], rows: i64, columns: i64) -> Tensor {
        from_f32(numbers, &[rows, columns], Device::Cpu).unwrap()
    }

    #[test]
    fn bf16_products_are_sums_of_products_of_rounded_inputs() {
        let (b, d, k) = (3, 4, 5);
        let (x, w, bias) = (numbers(b * d, 1), numbers(d * k, 2), numbers(k, 3));
        let product =
            forward(&matrix(&x, 3, 4), &matrix(&w, 4, 5), Some(&matrix(&bias, 1, 5)), Precision::Bf16);
        let product = to_f32(&product.unwrap()).unwrap();
        let mut largest = 0.0_f64;
        for row in 0..b {
            for column in 0..k {
                let exact = |round: fn(f32) -> f64| -> f64 {
                    (0..d).map(|i| round(x[row * d + i]) * round(w[i * k + column])).sum::<f64>()
                        + f64::from(bias[column])
                };
                let got = f64::from(product[row * k + column]);
                assert!((got - exact(nearest)).abs() < 1e-6);
                largest = largest.max((got - exact(f64::from)).abs());
            }
        }
        assert!(largest > 1e-4, "nothing was rounded");

        // A power of two, which no rounding sees.
        let (factor, g) = (0.25_f32, numbers(b * k, 4));
        let mut sum = matrix(&w, 4, 5);
        accumulate(&mut sum, &matrix(&x, 3, 4), &matrix(&g, 3, 5), f64::from(factor), Precision::Bf16)
            .unwrap();
        let sum = to_f32(&sum).unwrap();
        for i in 0..d {
            for column in 0..k {
                let product: f64 =
                    (0..b).map(|row| nearest(x[row * d + i] * factor) * nearest(g[row * k + column])).sum();
                let expected = f64::from(w[i * k + column]) + product;
                assert!((f64::from(sum[i * k + column]) - expected).abs() < 1e-6);
            }
        }
    }

    /// Runs of f32 keep their bits: the same operations as before there was a choice.
    #[test]
    fn f32_products_are_one_operation_of_libtorch() {
        let (x, w, bias) =
            (matrix(&numbers(12, 1), 3, 4), matrix(&numbers(20, 2), 4, 5), matrix(&numbers(5, 3), 1, 5));
        for precision in [Precision::F32, Precision::Tf32] {
            assert!(forward(&x, &w, Some(&bias), precision).unwrap().equal(&bias.addmm(&x, &w)));
            assert!(forward(&x, &w, None, precision).unwrap().equal(&x.matmul(&w)));
            let g = matrix(&numbers(15, 4), 3, 5);
            let (mut sum, expected) = (w.copy(), w.addmm(&(&x * 0.3).tr(), &g));
            accumulate(&mut sum, &x, &g, 0.3, precision).unwrap();
            assert!(sum.equal(&expected));
        }
    }
}
