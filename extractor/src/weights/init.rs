//! Initial values of parameters, drawn in Rust: a seed means the same on every device and libtorch.

use clap::ValueEnum;
use longtail::random;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// N(0, 2 / fan) with fan = output channels × kernel area: torchvision's ResNets.
    ///
    /// # Source
    /// He et al. 2015, arXiv 1502.01852, Eq. 14.
    KaimingNormalFanOut,
    /// N(0, 2 / fan) with fan = inputs of one output: LDAM-DRW's ResNets.
    ///
    /// # Source
    /// He et al. 2015, arXiv 1502.01852, Eq. 10.
    KaimingNormalFanIn,
    /// U(−1/√fan, 1/√fan) with the given number of inputs of one output: PyTorch's default for weight and bias of linear layers.
    UniformFanIn(i64),
    /// U(−1/√fan, 1/√fan) with fan = inputs of one output: PyTorch's default for convolutions, `kaiming_uniform_(a=√5)`.
    Pytorch,
    /// N(0, std²).
    Normal {
        /// The standard deviation.
        std: f64,
    },
}

/// How the convolutions of a network that is trained from scratch start; batch normalisation starts at 1 and 0, and a linear
/// head at PyTorch's default, whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialisation {
    /// Kaiming normal as in the code that the architecture comes from: by fan-out in torchvision's, by fan-in in LDAM-DRW's
    #[default]
    Architecture,
    /// The same, but a 3×3 stem at PyTorch's default: LTWB puts it in place of torchvision's after initialisation
    Ltwb,
    /// PyTorch's default, uniform by fan-in: LOS, whose network initialises nothing itself
    Pytorch,
}

impl Initialisation {
    /// Whether it is the one that recipes had before they could choose, and that they leave out.
    pub fn is_architecture(&self) -> bool {
        *self == Self::Architecture
    }

    /// How the stem and the other convolutions of an architecture start whose own code has `own`.
    pub fn of_convolutions(self, own: Init, small_stem: bool) -> (Init, Init) {
        match self {
            Self::Architecture => (own, own),
            Self::Ltwb => (if small_stem { Init::Pytorch } else { own }, own),
            Self::Pytorch => (Init::Pytorch, Init::Pytorch),
        }
    }
}

impl Init {
    /// N(0, 0.02²): vision transformers and ConvNeXt, whose own code cuts it at ±2, a hundred deviations away.
    pub const TRANSFORMER: Self = Self::Normal { std: 0.02 };

    /// The values of a parameter, row-major; they depend on the seed, the parameter's name and its shape alone.
    ///
    /// `shape` is `[out, in, height, width]` for convolutions, `[out, in]` for linear layers.
    pub fn values(self, seed: u64, name: &str, shape: &[i64]) -> Vec<f32> {
        let elements = usize::try_from(shape.iter().product::<i64>()).unwrap_or(0);
        let mut rng = random::stream(seed, &format!("init/{name}"), 0);
        let outputs = shape.first().copied().unwrap_or(1).max(1);
        let area: i64 = shape.iter().skip(2).product();
        match self {
            Self::Zeros => vec![0.0; elements],
            Self::Ones => vec![1.0; elements],
            Self::KaimingNormalFanOut => normal(&mut rng, (2.0 / (outputs * area) as f64).sqrt(), elements),
            Self::KaimingNormalFanIn => {
                normal(&mut rng, (2.0 * outputs as f64 / elements.max(1) as f64).sqrt(), elements)
            }
            Self::UniformFanIn(inputs) => uniform(&mut rng, inputs as f64, elements),
            Self::Pytorch => uniform(&mut rng, elements as f64 / outputs as f64, elements),
            Self::Normal { std } => normal(&mut rng, std, elements),
        }
    }
}

/// U(−1/√fan, 1/√fan).
fn uniform(rng: &mut ChaCha8Rng, fan: f64, elements: usize) -> Vec<f32> {
    let bound = 1.0 / fan.max(1.0).sqrt();
    (0..elements).map(|_| narrow(bound * (2.0 * random::uniform(rng) - 1.0))).collect()
}

/// Box–Muller: two normal numbers from two uniform ones.
fn normal(rng: &mut ChaCha8Rng, std: f64, elements: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(elements + 1);
    while values.len() < elements {
        let radius = std * (-2.0 * (1.0 - random::uniform(rng)).ln()).sqrt(); // 1 − u is never 0
        let (sin, cos) = (TAU * random::uniform(rng)).sin_cos();
        values.extend([narrow(radius * cos), narrow(radius * sin)]);
    }
    values.truncate(elements);
    values
}

#[expect(clippy::cast_possible_truncation, reason = "weights are f32; the draws are small numbers")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        (mean, (values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    /// Closed form; 36,864 draws put the standard error of the deviation at 0.4 %.
    #[test]
    fn deviations_follow_the_fans() {
        let shape = [64, 64, 3, 3];
        let (mean, std) = moments(&Init::KaimingNormalFanOut.values(0, "a", &shape));
        assert!(mean.abs() < 1e-3 && (std / (2.0_f64 / 576.0).sqrt() - 1.0).abs() < 0.02, "{mean} {std}");
        let (_, std) = moments(&Init::KaimingNormalFanIn.values(0, "a", &[64, 16, 3, 3]));
        assert!((std / (2.0_f64 / 144.0).sqrt() - 1.0).abs() < 0.04, "{std}");
        let (_, std) = moments(&Init::UniformFanIn(100).values(0, "a", &[200, 100]));
        assert!((std / (0.1 / 3.0_f64.sqrt()) - 1.0).abs() < 0.02, "{std}");
    }

    /// `nn.Conv2d.reset_parameters`: U(−b, b) with b = gain(√5) · √(3 / fan_in) = 1/√fan_in, whose deviation is b/√3; fan_in of
    /// `[64, 16, 3, 3]` is 144, also where 64 inputs come in 4 groups. 9,216 draws put the standard error at 0.5 %.
    #[test]
    fn pytorch_s_default_is_uniform_within_its_bound() {
        let bound = (2.0_f64 / (1.0 + 5.0)).sqrt() * (3.0_f64 / 144.0).sqrt();
        assert!((bound - 1.0 / 12.0).abs() < 1e-15);
        let values = Init::Pytorch.values(0, "a", &[64, 16, 3, 3]);
        let (mean, std) = moments(&values);
        assert!(mean.abs() < 2e-3 && (std * 3.0_f64.sqrt() / bound - 1.0).abs() < 0.02, "{mean} {std}");
        let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(f64::from(largest) <= bound && f64::from(largest) > 0.995 * bound, "{largest}");
        // Uniform, not normal: a tenth of the values in each tenth of the range, five standard errors.
        for tenth in 0..10 {
            let low = bound * (f64::from(tenth) / 5.0 - 1.0);
            let inside = |value: &&f32| (low..low + bound / 5.0).contains(&f64::from(**value));
            let share = values.iter().filter(inside).count() as f64 / values.len() as f64;
            assert!((share - 0.1).abs() < 0.016, "{tenth}: {share}");
        }
    }

    #[test]
    fn values_depend_on_seed_and_name_alone() {
        let draw = |seed, name| Init::KaimingNormalFanOut.values(seed, name, &[4, 3, 3, 3]);
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }
}
