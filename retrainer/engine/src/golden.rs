//! Losses and gradients against recorded values, a textbook formula under autograd, and each other.

use super::loss::{LossRows, Samples};
use cache::ClassCounts;
use experiment::{
    methods::{METHODS, Method, Params, Reduction, Training, Value},
    spec::{Family, Influence, Lader, Loss},
};
use tch::Device;
use torch::numbers::{from_f32, from_i64, to_f32};

mod laws;

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
    let samples = samples(labels);
    let tensor = || from_f32(logits, &[batch, classes], Device::Cpu).unwrap();
    let value = to_f32(&rows.value(&tensor(), &samples).unwrap()).unwrap()[0];
    let divisor = rows.divisor(&samples.labels).unwrap();
    let gradient = rows.gradient(&tensor(), &samples, &divisor).unwrap();
    let shared = divisor.shared();
    (value, to_f32(&gradient).unwrap().iter().map(|g| g / shared as f32).collect())
}

/// |f|₁ of the samples, and the noise of their logits.
const LENGTHS: [f32; 3] = [4.5, 2.4, 2.7];
const NOISE: [f32; 15] = [0.1, 0.2, 0.3, 0.0, 0.5, 0.4, 0.05, 0.15, 0.25, 1.0, 0.3, 0.1, 0.2, 0.6, 0.35];

/// A batch of at most three samples with these labels.
fn samples(labels: &[i64]) -> Samples {
    let rows = labels.len();
    Samples {
        labels: from_i64(labels, &[rows as i64], Device::Cpu).unwrap(),
        lengths: Some(from_f32(&LENGTHS[..rows], &[rows as i64, 1, 1], Device::Cpu).unwrap()),
        noise: Some(from_f32(&NOISE[..5 * rows], &[rows as i64, 1, 5], Device::Cpu).unwrap()),
    }
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
            name: "IB",
            loss: loss_of("influence-balanced", &[]),
            reduction: BatchMean,
            scale: 1.0,
            value: 511.015_667_496_8,
            gradient: [14.590_472_36, 2.182_276_8, 6.555_921_83, -24.309_231_17, 0.980_560_18],
        },
        Golden {
            name: "IB, influence held fixed",
            loss: loss_of("influence-balanced", &[("detached", Value::Flag(true))]),
            reduction: BatchMean,
            scale: 1.0,
            value: 511.015_667_496_8,
            gradient: [30.638_397_02, 4.582_542_74, 13.766_719_19, -51.046_728_13, 2.059_069_18],
        },
        Golden {
            name: "GCL of stage 1",
            loss: loss_of("gcl", &[("scale", number(30.0)), ("margin", number(0.0)), ("gamma", number(0.0))]),
            reduction: WeightedMean,
            // The cosines are 0.3 times the logits, and the logits 30 times the cosines.
            scale: 9.0,
            value: 4.199_933_560_4,
            gradient: [2.977_109_32, 9.764e-08, 0.000_880_77, -2.977_990_19, 0.0],
        },
        Golden {
            name: "GCL of stage 2",
            loss: loss_of("gcl", &[]),
            reduction: WeightedMean,
            // The same with scale 20.
            scale: 6.0,
            value: 4.125_652_731_5,
            gradient: [1.970_931_78, 2.019_48e-05, 0.008_750_84, -1.979_702_81, 0.0],
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
