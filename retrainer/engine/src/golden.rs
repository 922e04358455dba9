//! Losses and gradients against recorded values, a textbook formula under autograd, and each other.

use super::{
    bridge::{from_f32, from_i64, to_f32},
    loss::LossRows,
};
use cache::ClassCounts;
use experiment::{
    head::{Family, Lader, Loss},
    methods::{METHODS, Method, Params, Reduction, Training, Value},
};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

const LOGITS: [f32; 15] = [2.0, 0.5, -1.0, 0.0, 0.3, 1.2, -0.7, 0.4, 0.9, -1.5, 0.1, 1.1, -0.2, 0.6, 0.8];
const LABELS: [i64; 3] = [0, 3, 4];

fn class_counts() -> ClassCounts {
    ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap()
}

fn loss_of(method: &str, given: &[(&str, Value)]) -> Loss {
    let method = Method::find(method).unwrap();
    loss_with(&Params::resolve(method, given).unwrap())
}

fn loss_with(params: &Params) -> Loss {
    params.build(&class_counts()).trained().unwrap().loss.clone()
}

/// Value and gradient (with the divisor applied) of one loss at logits `[B, C]`.
fn value_and_gradient(loss: &Loss, reduction: Reduction, logits: &[f32], labels: &[i64]) -> (f32, Vec<f32>) {
    let (batch, classes) = (labels.len() as i64, loss.classes() as i64);
    let rows = LossRows::new(&[(loss, reduction)], Device::Cpu).unwrap();
    let labels = from_i64(labels, &[batch], Device::Cpu).unwrap();
    let tensor = || from_f32(logits, &[batch, classes], Device::Cpu).unwrap();
    let value = to_f32(&rows.value(&tensor(), &labels).unwrap()).unwrap()[0];
    let divisor = rows.divisor(&labels).unwrap();
    let gradient = rows.gradient(&tensor(), &labels, &divisor).unwrap();
    let shared = divisor.shared();
    (value, to_f32(&gradient).unwrap().iter().map(|g| g / shared as f32).collect())
}

/// A recorded loss.
struct Golden {
    name: &'static str,
    loss: Loss,
    reduction: Reduction,
    /// Factor of the logits at which the loss was recorded.
    scale: f32,
    value: f64,
    /// By the logits before the factor.
    gradient: [f64; 5],
}

/// Recorded in float64 with `torch.nn.functional` and autograd at the logits above; the gradient is that of the second row,
/// whose label is 3, with the reduction applied. f32 arithmetic: 2e-6 of the largest number.
#[test]
fn losses_and_gradients_equal_recorded_values() {
    use Reduction::{BatchMean, ElementMean, WeightedMean};
    let number = Value::Number;
    let cases = [
        Golden {
            name: "CE",
            loss: loss_of("ce", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 1.012_398_331_6,
            gradient: [0.138_489_5, 0.020_713_68, 0.062_227_34, -0.230_737_79, 0.009_307_26],
        },
        Golden {
            name: "LS 0.1",
            loss: loss_of("label-smoothing", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 1.105_731_664_9,
            gradient: [0.131_822_83, 0.014_047_02, 0.055_560_68, -0.204_071_12, 0.002_640_59],
        },
        Golden {
            name: "LORT 0.98",
            loss: loss_of("lort", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 1.927_064_998_3,
            gradient: [0.073_156_17, -0.044_619_65, -0.003_105_99, 0.030_595_55, -0.056_026_08],
        },
        Golden {
            name: "balanced softmax",
            loss: loss_of("balanced-softmax", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 2.385_843_164_7,
            gradient: [0.268_800_72, 0.020_102_08, 0.024_155_99, -0.313_420_09, 0.000_361_3],
        },
        Golden {
            name: "LA 1.5",
            loss: loss_of("logit-adjusted-loss", &[("tau", number(1.5))]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 3.283_862_451_2,
            gradient: [0.298_502_16, 0.015_784_94, 0.011_996_56, -0.326_340_4, 5.674e-05],
        },
        Golden {
            name: "focal 1",
            loss: loss_of("focal", &[("gamma", number(1.0))]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 0.678_962_156_8,
            gradient: [0.146_091_64, 0.021_850_73, 0.065_643_21, -0.243_403_74, 0.009_818_16],
        },
        Golden {
            name: "focal 2",
            loss: loss_of("focal", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 0.472_463_162_8,
            gradient: [0.135_894_64, 0.020_325_57, 0.061_061_4, -0.226_414_48, 0.009_132_87],
        },
        Golden {
            name: "focal sigmoid 2",
            loss: loss_of("cb-bce-sigmoid", &[("beta", number(0.0)), ("gamma", number(2.0))]),
            reduction: BatchMean,
            scale: 1.0,
            value: 1.234_548_436_1,
            gradient: [0.284_674_38, 0.031_951_57, 0.159_081_36, -0.021_559_76, 0.005_677_04],
        },
        Golden {
            name: "CB-CE, weighted mean",
            loss: loss_of("cb-ce", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 1.343_754_561_3,
            gradient: [0.068_126_89, 0.010_189_64, 0.030_611_38, -0.113_506_42, 0.004_578_5],
        },
        Golden {
            name: "CB-CE, batch mean",
            loss: loss_of("cb-ce", &[]),
            reduction: BatchMean,
            scale: 1.0,
            value: 2.008_800_154_8,
            gradient: [0.101_843_98, 0.015_232_66, 0.045_761_45, -0.169_682_56, 0.006_844_48],
        },
        Golden {
            name: "CB-BCE on softmax, element mean",
            loss: loss_of("cb-bce-softmax", &[]),
            reduction: ElementMean,
            scale: 1.0,
            value: 0.655_774_712_4,
            gradient: [0.034_127_64, 0.003_140_89, 0.010_930_09, -0.049_558_53, 0.001_359_91],
        },
        Golden {
            name: "CB-BCE on sigmoids, element mean",
            loss: loss_of("cb-bce-sigmoid", &[]),
            reduction: ElementMean,
            scale: 1.0,
            value: 1.191_509_667_2,
            gradient: [0.037_677_76, 0.016_267_46, 0.029_351_31, -0.014_171_01, 0.008_943_61],
        },
        Golden {
            name: "CB-BCE on sigmoids, batch mean",
            loss: loss_of("cb-bce-sigmoid", &[]),
            reduction: BatchMean,
            scale: 1.0,
            value: 5.957_548_335_9,
            gradient: [0.188_388_81, 0.081_337_28, 0.146_756_57, -0.070_855_07, 0.044_718_05],
        },
        Golden {
            name: "CB focal sigmoid 2",
            loss: loss_of("cb-bce-sigmoid", &[("gamma", number(2.0))]),
            reduction: BatchMean,
            scale: 1.0,
            value: 2.262_880_377,
            gradient: [0.209_347_06, 0.023_496_91, 0.116_987_05, -0.015_854_86, 0.004_174_84],
        },
        Golden {
            name: "VS",
            loss: loss_of("vs", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 2.671_400_662_1,
            gradient: [0.274_695_43, 0.019_029_59, 0.013_068_53, -0.160_552_21, 0.000_321_79],
        },
        Golden {
            name: "CDT",
            loss: loss_of("cdt", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 1.232_671_889_7,
            gradient: [0.150_261_05, 0.020_818_73, 0.035_743_07, -0.131_450_97, 0.008_801_24],
        },
        Golden {
            name: "LAS",
            loss: loss_of("label-aware-smoothing", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 1.280_473_346_5,
            gradient: [0.129_265_29, 0.011_489_47, 0.053_003_13, -0.193_840_95, 8.305e-05],
        },
        Golden {
            name: "LADE",
            loss: loss_of("lade", &[("lambda", number(0.1))]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 2.319_110_962_1,
            gradient: [0.285_353_67, 0.022_869_43, 0.030_870_87, -0.315_405_28, 0.000_466_35],
        },
        Golden {
            name: "GRW 1.2",
            loss: loss_of("grw", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 1.360_000_483_1,
            gradient: [0.052_183_1, 0.007_804_95, 0.023_447_38, -0.086_942_43, 0.003_506_99],
        },
        Golden {
            name: "Seesaw",
            loss: loss_of("seesaw", &[]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 1.084_246_5,
            gradient: [0.190_974_98, 0.015_676_18, 0.047_093_85, -0.255_688_7, 0.001_943_7],
        },
        Golden {
            name: "Seesaw without compensation",
            loss: loss_of("seesaw", &[("compensation", number(0.0))]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 0.903_529_973_6,
            gradient: [0.141_347_1, 0.021_141_09, 0.063_511_35, -0.228_620_83, 0.002_621_29],
        },
        Golden {
            name: "Seesaw without mitigation",
            loss: loss_of("seesaw", &[("mitigation", number(0.0))]),
            reduction: WeightedMean,
            scale: 1.0,
            value: 1.191_368_289_4,
            gradient: [0.188_097_05, 0.015_439_95, 0.046_384_16, -0.256_858_78, 0.006_937_62],
        },
        Golden {
            name: "LDAM",
            loss: loss_of("ldam", &[]),
            reduction: WeightedMean,
            // The cosines are 0.3 times the logits, and the logits 30 times the cosines.
            scale: 9.0,
            value: 10.147_828_713_8,
            gradient: [2.997_752_94, 1.1e-07, 0.002_238_08, -2.999_991_13, 0.0],
        },
        Golden {
            name: "LDAM-DRW",
            loss: loss_of("ldam-drw", &[]),
            reduction: WeightedMean,
            // The cosines are 0.3 times the logits, and the logits 30 times the cosines.
            scale: 9.0,
            value: 16.602_965_907_5,
            gradient: [1.474_679_17, 6e-08, 0.001_100_97, -1.475_780_2, 0.0],
        },
    ];
    for case in cases {
        let logits = LOGITS.map(|z| case.scale * z);
        let (value, gradient) = value_and_gradient(&case.loss, case.reduction, &logits, &LABELS);
        let largest = case.gradient.iter().fold(1.0_f64, |largest, g| largest.max(case.value).max(g.abs()));
        let close = |got: f32, expected: f64| (f64::from(got) - expected).abs() < 2e-6 * largest;
        assert!(close(value, case.value), "{}: {value} {}", case.name, case.value);
        for (got, expected) in gradient[5..10].iter().zip(case.gradient) {
            assert!(close(case.scale * got, expected), "{}: {gradient:?} {:?}", case.name, case.gradient);
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
        let adjusted = match loss.family {
            Family::Seesaw => {
                let log_p = adjusted.detach().log_softmax(1, Kind::Double);
                let own = log_p.double_value(&[0, y as i64]).max(0.01_f64.ln());
                let sizes: Vec<f64> = loss.mitigation.iter().map(|m| m - loss.mitigation[y]).collect();
                adjusted + row(&sizes).clamp_max(0.0) + (log_p - own).clamp_min(0.0) * loss.compensation
            }
            Family::Softmax | Family::SigmoidBce | Family::SoftmaxBce => adjusted,
        };
        let (log_p, log_miss) = match loss.family {
            Family::SigmoidBce => (adjusted.log_sigmoid(), (-&adjusted).log_sigmoid()),
            Family::Softmax | Family::SoftmaxBce | Family::Seesaw => {
                let log_p = adjusted.log_softmax(1, Kind::Double);
                let log_miss = (1.0_f64 - log_p.exp()).log();
                (log_p, log_miss)
            }
        };
        let delta = loss.smoothing[y];
        let target: Vec<f64> =
            (0..c).map(|k| delta / c as f64 + if k == y { 1.0 - delta } else { 0.0 }).collect();
        let rest: Vec<f64> = target.iter().map(|t| 1.0 - t).collect();
        let value = match loss.family {
            Family::Softmax | Family::Seesaw => {
                let modulator = (1.0_f64 - log_p.exp().get(0).get(y as i64)).pow_tensor_scalar(loss.focal);
                -(log_p * row(&target)).sum(Kind::Double) * modulator
            }
            Family::SigmoidBce => {
                let present = log_p.shallow_clone() * (log_miss.shallow_clone() * loss.focal).exp();
                let absent = log_miss * (log_p * loss.focal).exp();
                -(present * row(&target) + absent * row(&rest)).sum(Kind::Double)
            }
            Family::SoftmaxBce => -(log_p * row(&target) + log_miss * row(&rest)).sum(Kind::Double),
        };
        terms.push(value * loss.weight[y]);
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

fn any_family() -> impl Strategy<Value = Family> {
    prop_oneof![
        Just(Family::Softmax),
        Just(Family::SigmoidBce),
        Just(Family::SoftmaxBce),
        Just(Family::Seesaw)
    ]
}

fn any_loss() -> impl Strategy<Value = Loss> {
    let vector = |range: std::ops::Range<f64>| proptest::collection::vec(range, 5);
    let seesaw = (vector(0.0..4.0), 0.0..3.0_f64);
    (
        vector(0.3..2.0),
        vector(-2.0..2.0),
        vector(0.0..1.0),
        vector(0.1..3.0),
        vector(0.0..1.0),
        0.0..3.0_f64,
        seesaw,
    )
        .prop_map(|(scale, offset, margin, weight, smoothing, focal, (mitigation, compensation))| Loss {
            scale,
            offset,
            margin,
            weight,
            smoothing,
            focal,
            mitigation,
            compensation,
            ..Loss::cross_entropy(5)
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
        family in any_family(),
        reduction in any_reduction(),
        logits in proptest::collection::vec(-4.0_f32..4.0, 15),
        labels in proptest::collection::vec(0_i64..5, 3),
    ) {
        let loss = Loss { family, ..loss };
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
        losses in proptest::collection::vec((any_loss(), any_reduction(), proptest::option::of(0.0_f64..1.0)), 1..4),
        family in any_family(),
        logits in proptest::collection::vec(-4.0_f32..4.0, 15),
    ) {
        let losses: Vec<(Loss, Reduction)> = losses
            .into_iter()
            .map(|(loss, reduction, alpha)| {
                let lader = alpha.map(|alpha| Lader { alpha, lambda: 0.3, prior: class_counts().priors() });
                (Loss { family, lader, ..loss }, reduction)
            })
            .collect();
        let heads: Vec<_> = losses.iter().map(|(loss, reduction)| (loss, *reduction)).collect();
        let rows = LossRows::new(&heads, Device::Cpu).unwrap();
        let labels = from_i64(&LABELS, &[3], Device::Cpu).unwrap();
        let one = from_f32(&logits, &[3, 5], Device::Cpu).unwrap();
        let side_by_side = one.repeat([1, heads.len() as i64]);
        let divisor = rows.divisor(&labels).unwrap();
        let shared = divisor.shared() as f32;
        let gradient = to_f32(&rows.gradient(&side_by_side, &labels, &divisor).unwrap()).unwrap();
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
        let loss = loss_of("lort", &[("delta", Value::Number(delta))]);
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

/// At its neutral values a method has the loss of the one that it reduces to: most have cross-entropy's.
#[test]
fn neutral_parameters_make_every_trained_method_the_one_that_it_reduces_to() {
    let at_neutral = |method| {
        let loss = loss_with(&Params::neutral(method).unwrap());
        value_and_gradient(&loss, Reduction::WeightedMean, &LOGITS, &LABELS)
    };
    for method in METHODS.iter().filter(|method| method.training == Training::Sgd) {
        let Some(neutral) = method.neutral else { continue };
        let (got, expected) = (at_neutral(method), at_neutral(neutral));
        assert!((got.0 - expected.0).abs() < 1e-6, "{}", method.name);
        assert!(got.1.iter().zip(&expected.1).all(|(g, e)| (g - e).abs() < 1e-6), "{}", method.name);
    }
}

#[test]
fn equal_counts_make_priors_and_class_weights_cross_entropy() {
    let counts = ClassCounts::new(vec![40; 5]).unwrap();
    let expected = value_and_gradient(&loss_of("ce", &[]), Reduction::WeightedMean, &LOGITS, &LABELS);
    for name in ["balanced-softmax", "logit-adjusted-loss", "vs", "cdt", "cb-ce", "grw", "ldam-drw"] {
        let method = Method::find(name).unwrap();
        let spec = Params::resolve(method, &[]).unwrap().build(&counts);
        let mut loss = spec.trained().unwrap().loss.clone();
        // Equal margins remain margins.
        loss.margin.fill(0.0);
        let got = value_and_gradient(&loss, Reduction::WeightedMean, &LOGITS, &LABELS);
        assert!((got.0 - expected.0).abs() < 1e-6, "{name}");
        assert!(got.1.iter().zip(&expected.1).all(|(g, e)| (g - e).abs() < 1e-6), "{name}");
    }
}
