//! Head files of other programs: measured, or refused for what they are.

use crate::program::{Workplace, stderr, stdout};
use cache::synthetic::SyntheticCache;
use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};

/// Small whole numbers, exact in every format: `[5, 12]` for the default cache.
fn weight() -> Vec<f32> {
    (0..60_u8).map(|i| f32::from(i % 7) - 3.0).collect()
}

fn bytes(dtype: Dtype, numbers: &[f32]) -> Vec<u8> {
    let each = |number: &f32| match dtype {
        Dtype::F64 => f64::from(*number).to_le_bytes().to_vec(),
        Dtype::F16 => f16::from_f32(*number).to_le_bytes().to_vec(),
        Dtype::BF16 => bf16::from_f32(*number).to_le_bytes().to_vec(),
        _ => number.to_le_bytes().to_vec(),
    };
    numbers.iter().flat_map(each).collect()
}

type Tensors<'data> = [(&'data str, Dtype, &'data [usize], &'data [f32])];

fn write(place: &Workplace, tensors: &Tensors<'_>) {
    let stored: Vec<_> = tensors
        .iter()
        .map(|(name, dtype, shape, numbers)| (*name, *dtype, shape.to_vec(), bytes(*dtype, numbers)))
        .collect();
    let views = stored
        .iter()
        .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    std::fs::write(place.path("head"), safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn heads_as_other_programs_store_them_are_measured_alike() {
    let place = Workplace::new(&SyntheticCache::default());
    let weight = weight();
    let columns: Vec<f32> = (0..12).flat_map(|d| weight.iter().skip(d).step_by(12).copied()).collect();
    let bias = [1.0, 0.0, -1.0, 2.0, 0.5];
    let measured = |tensors: &Tensors<'_>| {
        write(&place, tensors);
        let output = place.run(&["evaluate", "--head", "head", "--cache", "cache", "--format", "json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let plain = measured(&[("weight", Dtype::F32, &[5, 12], &weight), ("bias", Dtype::F32, &[5], &bias)]);
    for dtype in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::BF16] {
        for (name, shape, numbers) in [
            ("", &[5, 12][..], &weight),
            ("fc.", &[5, 12], &weight),
            ("module.linear.", &[12, 5], &columns),
            ("head.", &[5, 12, 1, 1], &weight),
        ] {
            let (weight, own) = (format!("{name}weight"), format!("{name}bias"));
            let tensors = [(weight.as_str(), dtype, shape, &numbers[..]), (&own, dtype, &[5, 1], &bias)];
            assert_eq!(measured(&tensors), plain, "{name} {dtype}");
        }
    }
    assert_ne!(
        measured(&[("weight", Dtype::F32, &[5, 12], &weight)]),
        plain,
        "a head without bias is another"
    );
}

#[test]
fn what_is_no_head_is_said_about_the_head() {
    let place = Workplace::new(&SyntheticCache::default());
    let weight = weight();
    let refused = |tensors: &Tensors<'_>| {
        write(&place, tensors);
        let output = place.run(&["evaluate", "--head", "head", "--cache", "cache"]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
        stderr(&output)
    };
    insta::assert_snapshot!(refused(&[("weight", Dtype::F32, &[12, 5], &weight)]), @"
    error: `head`: expected `weight` [5, 12], got [12, 5]
    hint: [D, C] without bias may be a linear layer or the `NormedLinear` of LDAM: save [C, D], `weight.T.contiguous()`, and for the latter the metadata `kind`: `cosine`
    ");
    insta::assert_snapshot!(refused(&[("weight", Dtype::F32, &[6, 10], &weight)]), @"
    error: `head`: expected `weight` [5, 12], got [6, 10]
    hint: the head belongs to another backbone or data set: give that of these features
    ");
    insta::assert_snapshot!(refused(&[("weight", Dtype::F32, &[1 << 40, 0], &[])]), @"
    error: `head`: expected `weight` [5, 12], got [1099511627776, 0]
    hint: the head belongs to another backbone or data set: give that of these features
    ");
    insta::assert_snapshot!(refused(&[("weight", Dtype::F32, &[5, 12], &[f32::NAN; 60])]), @"
    error: `head`: expected finite numbers, got NaN in row 0 of `weight`
    hint: its training diverged, or its numbers are too large for single precision
    ");
    std::fs::write(place.path("head"), b"PK\x03\x04 archive/data.pkl").unwrap();
    let output = place.run(&["evaluate", "--head", "head", "--cache", "cache"]);
    insta::assert_snapshot!(stderr(&output), @"
    error: `head`: expected a safetensors file with a head, got a PyTorch pickle
    hint: convert it: `python3 extractor/convert.py head FILE.safetensors`
    ");
}
