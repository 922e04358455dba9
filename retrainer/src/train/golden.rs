//! Losses and gradients against recorded values, a textbook formula under autograd, and each other.

use super::{
    bridge::{from_f32, from_i64, to_f32},
    loss::LossRows,
};
use crate::{
    head::{Fit, Loss},
    methods::{Given, METHODS, Method, Params, Reduction, Training},
};
use proptest::prelude::*;
use shared::ClassCounts;
use tch::{Device, Kind, Tensor};

const LOGITS: [f32; 15] = [2.0, 0.5, -1.0, 0.0, 0.3, 1.2, -0.7, 0.4, 0.9, -1.5, 0.1, 1.1, -0.2, 0.6, 0.8];
const LABELS: [i64; 3] = [0, 3, 4];

fn class_counts() -> ClassCounts {
    ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap()
}

fn loss_of(method: &str, given: &[(&str, Given)]) -> Loss {
    let method = Method::find(method).unwrap();
    match (method.build)(&class_counts(), &Params::resolve(method, given).unwrap()).fit {
        Fit::Sgd(loss) => loss,
        Fit::PostHoc(_) => panic!("{} does not train", method.name),
    }
}

/// Value and gradient (with the divisor applied) of one loss at logits `[B, C]`.
fn value_and_gradient(loss: &Loss, reduction: Reduction, logits: &[f32], labels: &[i64]) -> (f32, Vec<f32>) {
    let (batch, classes) = (labels.len() as i64, loss.classes() as i64);
    let rows = LossRows::new(&[(loss, reduction)], Device::Cpu).unwrap();
    let labels = from_i64(labels, &[batch], Device::Cpu).unwrap();
    let tensor = || from_f32(logits, &[batch, classes], Device::Cpu).unwrap();
    let value = to_f32(&rows.value(tensor(), &labels).unwrap()).unwrap()[0];
    let divisor = rows.divisor(&labels).unwrap();
    let gradient = rows.gradient(tensor(), &labels, &divisor).unwrap();
    let shared = divisor.shared();
    (value, to_f32(&gradient).unwrap().iter().map(|g| g / shared as f32).collect())
}

/// Recorded in float64 with `torch.nn.functional` and autograd at the logits above; the gradient is that of the first row
/// with the mean applied. f32 arithmetic: 2e-6 absolute.
#[test]
fn losses_and_gradients_equal_recorded_values() {
    use Reduction::{BatchMean, WeightedMean};
    let number = Given::Number;
    let cases: Vec<(&str, Loss, Reduction, f32, [f32; 5])> = vec![
        (
            "ce",
            loss_of("ce", &[]),
            WeightedMean,
            1.012_398_3,
            [0.138_489_5, 0.020_713_68, 0.062_227_34, -0.230_737_8, 0.009_307_26],
        ),
        (
            "label smoothing 0.1",
            loss_of("label-smoothing", &[]),
            WeightedMean,
            1.105_731_7,
            [0.131_822_83, 0.014_047_02, 0.055_560_68, -0.204_071_12, 0.002_640_59],
        ),
        (
            "lort 0.98",
            loss_of("lort", &[]),
            WeightedMean,
            1.927_065,
            [0.073_156_17, -0.044_619_65, -0.003_105_99, 0.030_595_55, -0.056_026_08],
        ),
        (
            "balanced softmax",
            loss_of("balanced-softmax", &[]),
            WeightedMean,
            2.385_843_2,
            [0.268_800_72, 0.020_102_08, 0.024_155_99, -0.313_420_09, 0.000_361_3],
        ),
        (
            "focal 1",
            loss_of("focal", &[("gamma", number(1.0))]),
            WeightedMean,
            0.678_962_16,
            [0.146_091_64, 0.021_850_73, 0.065_643_21, -0.243_403_74, 0.009_818_16],
        ),
        (
            "focal 2",
            loss_of("focal", &[]),
            WeightedMean,
            0.472_463_16,
            [0.135_894_64, 0.020_325_57, 0.061_061_4, -0.226_414_48, 0.009_132_87],
        ),
        (
            "cb-ce, weighted mean",
            loss_of("cb-ce", &[]),
            WeightedMean,
            1.343_754_6,
            [0.068_126_89, 0.010_189_64, 0.030_611_38, -0.113_506_42, 0.004_578_5],
        ),
        (
            "cb-ce, batch mean",
            loss_of("cb-ce", &[]),
            BatchMean,
            2.008_800_2,
            [0.101_843_98, 0.015_232_66, 0.045_761_45, -0.169_682_56, 0.006_844_48],
        ),
    ];
    for (name, loss, reduction, value, gradient) in cases {
        let (got_value, got_gradient) = value_and_gradient(&loss, reduction, &LOGITS, &LABELS);
        assert!((got_value - value).abs() < 2e-6, "{name}: {got_value} {value}");
        // The recorded row is that of the second sample, whose label is 3.
        for (got, expected) in got_gradient[5..10].iter().zip(gradient) {
            assert!((got - expected).abs() < 2e-6, "{name}: {got_gradient:?} {gradient:?}");
        }
    }
}

/// `Σ w (1 − p_y)^γ Σ_k t_k (−log p_k) / divisor`, written as the formula reads, in float64 under autograd.
fn autograd_gradient(loss: &Loss, reduction: Reduction, logits: &[f32], labels: &[i64]) -> Vec<f64> {
    let c = loss.classes();
    let wide: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
    let z = Tensor::from_slice(&wide).view([labels.len() as i64, c as i64]).set_requires_grad(true);
    let row = |values: &[f64]| Tensor::from_slice(values).view([1, c as i64]);
    let mut terms = Vec::new();
    let mut weights = 0.0;
    for (b, &label) in labels.iter().enumerate() {
        let y = label as usize;
        let mut margin = vec![0.0; c];
        margin[y] = loss.margin[y];
        let adjusted =
            z.get(b as i64).view([1, c as i64]) * row(&loss.scale) + row(&loss.offset) - row(&margin);
        let log_p = adjusted.log_softmax(1, Kind::Double);
        let delta = loss.smoothing[y];
        let target: Vec<f64> =
            (0..c).map(|k| delta / c as f64 + if k == y { 1.0 - delta } else { 0.0 }).collect();
        let sum = -(log_p.shallow_clone() * row(&target)).sum(Kind::Double);
        let modulator = (1.0_f64 - log_p.exp().get(0).get(y as i64)).pow_tensor_scalar(loss.focal);
        terms.push(sum * modulator * loss.weight[y]);
        weights += loss.weight[y];
    }
    let divisor = match reduction {
        Reduction::WeightedMean => weights,
        Reduction::BatchMean => labels.len() as f64,
        Reduction::ElementMean => (labels.len() * c) as f64,
    };
    (Tensor::stack(&terms, 0).sum(Kind::Double) / divisor).backward();
    Vec::<f64>::try_from(z.grad().view(-1)).unwrap()
}

fn any_loss() -> impl Strategy<Value = Loss> {
    let vector = |range: std::ops::Range<f64>| proptest::collection::vec(range, 5);
    (vector(0.3..2.0), vector(-2.0..2.0), vector(0.0..1.0), vector(0.1..3.0), vector(0.0..1.0), 0.0..3.0_f64)
        .prop_map(|(scale, offset, margin, weight, smoothing, focal)| Loss {
            scale,
            offset,
            margin,
            weight,
            smoothing,
            focal,
        })
}

fn any_reduction() -> impl Strategy<Value = Reduction> {
    prop_oneof![Just(Reduction::WeightedMean), Just(Reduction::BatchMean), Just(Reduction::ElementMean)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// f32 against float64 autograd: 2e-5 of the largest entry.
    #[test]
    fn closed_form_gradients_equal_autograd(
        loss in any_loss(),
        reduction in any_reduction(),
        logits in proptest::collection::vec(-4.0_f32..4.0, 15),
        labels in proptest::collection::vec(0_i64..5, 3),
    ) {
        let (_, got) = value_and_gradient(&loss, reduction, &logits, &labels);
        let expected = autograd_gradient(&loss, reduction, &logits, &labels);
        let largest = expected.iter().fold(1e-3_f64, |largest, g| largest.max(g.abs()));
        for (got, expected) in got.iter().zip(&expected) {
            prop_assert!((f64::from(*got) - expected).abs() < 2e-5 * largest, "{got} {expected}");
        }
    }

    /// Each head of a mixed group has the gradient that it has alone.
    #[test]
    fn a_head_in_a_group_has_the_gradient_of_the_head_alone(
        losses in proptest::collection::vec((any_loss(), any_reduction()), 1..4),
        logits in proptest::collection::vec(-4.0_f32..4.0, 15),
    ) {
        let heads: Vec<_> = losses.iter().map(|(loss, reduction)| (loss, *reduction)).collect();
        let rows = LossRows::new(&heads, Device::Cpu).unwrap();
        let labels = from_i64(&LABELS, &[3], Device::Cpu).unwrap();
        let one = from_f32(&logits, &[3, 5], Device::Cpu).unwrap();
        let side_by_side = one.repeat([1, heads.len() as i64]);
        let divisor = rows.divisor(&labels).unwrap();
        let shared = divisor.shared() as f32;
        let gradient = to_f32(&rows.gradient(side_by_side, &labels, &divisor).unwrap()).unwrap();
        for (head, (loss, reduction)) in heads.iter().enumerate() {
            let (_, alone) = value_and_gradient(loss, *reduction, &logits, &LABELS);
            for (index, expected) in alone.iter().enumerate() {
                let got = gradient[(index / 5) * 5 * heads.len() + head * 5 + index % 5] / shared;
                prop_assert!((got - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{got} {expected}");
            }
        }
    }

    /// Proposition 1: the Hessian of cross-entropy by the bias, diag(p) − p pᵀ, is positive semi-definite, by finite
    /// differences of the closed-form gradient along a random direction v: vᵀ H v ≥ 0 for any smoothing.
    #[test]
    fn the_bias_hessian_of_smoothed_cross_entropy_is_positive_semi_definite(
        delta in 0.0_f64..1.0,
        logits in proptest::collection::vec(-3.0_f32..3.0, 5),
        direction in proptest::collection::vec(-1.0_f32..1.0, 5),
        label in 0_i64..5,
    ) {
        let loss = loss_of("lort", &[("delta", Given::Number(delta))]);
        let step = 1e-2_f32;
        let at = |sign: f32| {
            let moved: Vec<f32> = logits.iter().zip(&direction).map(|(z, v)| z + sign * step * v).collect();
            value_and_gradient(&loss, Reduction::BatchMean, &moved, &[label]).1
        };
        let (forward, backward) = (at(1.0), at(-1.0));
        let curvature: f32 =
            forward.iter().zip(&backward).zip(&direction).map(|((f, b), v)| (f - b) * v).sum::<f32>() / (2.0 * step);
        prop_assert!(curvature > -1e-4, "{curvature}");
    }
}

/// At its neutral value every method is cross-entropy.
#[test]
fn neutral_parameters_make_every_trained_method_cross_entropy() {
    let neutral = |name: &'static str| -> Option<Vec<(&'static str, Given)>> {
        let zero = |param: &'static str| Some(vec![(param, Given::Number(0.0))]);
        match name {
            "ce" => Some(vec![]),
            "focal" => zero("gamma"),
            "cb-ce" => zero("beta"),
            "label-smoothing" | "lort" => zero("delta"),
            // Neutral at equal class counts only: below.
            "balanced-softmax" => None,
            other => panic!("say when `{other}` is neutral"),
        }
    };
    let expected = value_and_gradient(&loss_of("ce", &[]), Reduction::WeightedMean, &LOGITS, &LABELS);
    for method in METHODS.iter().filter(|method| method.training == Training::Sgd) {
        if let Some(given) = neutral(method.name) {
            let got =
                value_and_gradient(&loss_of(method.name, &given), Reduction::WeightedMean, &LOGITS, &LABELS);
            assert!((got.0 - expected.0).abs() < 1e-6, "{}", method.name);
            assert!(got.1.iter().zip(&expected.1).all(|(g, e)| (g - e).abs() < 1e-6), "{}", method.name);
        }
    }
}

#[test]
fn equal_counts_make_priors_and_class_weights_cross_entropy() {
    let counts = ClassCounts::new(vec![40; 5]).unwrap();
    let expected = value_and_gradient(&loss_of("ce", &[]), Reduction::WeightedMean, &LOGITS, &LABELS);
    for name in ["balanced-softmax", "cb-ce"] {
        let method = Method::find(name).unwrap();
        let Fit::Sgd(loss) = (method.build)(&counts, &Params::resolve(method, &[]).unwrap()).fit else {
            panic!()
        };
        let got = value_and_gradient(&loss, Reduction::WeightedMean, &LOGITS, &LABELS);
        assert!((got.0 - expected.0).abs() < 1e-6, "{name}");
        assert!(got.1.iter().zip(&expected.1).all(|(g, e)| (g - e).abs() < 1e-6), "{name}");
    }
}
