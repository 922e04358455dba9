//! Label-aware smoothing: smoothing by class size.

use super::{
    Build, Method, Training, ce, params,
    range::{above, choice, choices, within},
};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;
use std::f64::consts::FRAC_PI_2;

/// How smoothing falls from the largest class to the smallest.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Concave,
    Linear,
    Convex,
    Power,
}

choices!(Shape { Concave = "concave", Linear = "linear", Convex = "convex", Power = "power" });

params! {
    /// Hyper-parameters of `label-aware-smoothing`.
    struct LabelAwareSmoothing {
        /// smoothing of the largest class
        head: f64 = 0.4, within(0.0, 1.0), neutral 0.0;
        /// smoothing of the smallest class
        tail: f64 = 0.1, within(0.0, 1.0), neutral 0.0;
        /// between them: sine, line, 1 − cosine, or a power
        shape: Shape = Shape::Concave, choice();
        /// exponent of the shape `power`
        power: f64 = 2.0, above(0.0);
    }
}

pub(super) static METHOD: Method = Method {
    name: "label-aware-smoothing",
    aliases: &["las"],
    title: "Label-Aware Smoothing",
    idea: "Smooths the targets of large classes, whose predictions are over-confident, more than those of small ones. The shape is how smoothing falls from the largest class to the smallest.",
    formula: "t_y = 1 − ε_y + ε_y/C, t_k = ε_y/C; ε from `tail` at n_min to `head` at n_max",
    source: "Zhong et al. 2021 (CVPR, MiSLAS), Eq. 6; smoothing is spread over C classes as in their code (over C − 1 in the paper)",
    reduces_to: "`label-smoothing` at head = tail, `ce` at both 0",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &LabelAwareSmoothing::DEFAULT,
    published: &[],
    grid: "head = [0.2, 0.3, 0.4]\ntail = [0, 0.1]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for LabelAwareSmoothing {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let shape = |x: f64| match self.shape {
            Shape::Concave => (FRAC_PI_2 * x).sin(),
            Shape::Linear => x,
            Shape::Convex => 1.0 - (FRAC_PI_2 * x).cos(),
            Shape::Power => x.powf(self.power),
        };
        let smoothing = smoothing(class_counts, self.head, self.tail, shape);
        HeadSpec::sgd(Loss { smoothing, ..Loss::cross_entropy(class_counts.classes()) })
    }
}

/// `tail + (head − tail) · shape((n_k − n_min)/(n_max − n_min))`; equal counts all get `head`.
fn smoothing(class_counts: &ClassCounts, head: f64, tail: f64, shape: impl Fn(f64) -> f64) -> Vec<f64> {
    let counts = class_counts.counts();
    let largest = counts.iter().copied().max().unwrap_or(0) as f64;
    let smallest = counts.iter().copied().min().unwrap_or(0) as f64;
    let position =
        |n: u64| if largest > smallest { (n as f64 - smallest) / (largest - smallest) } else { 1.0 };
    counts.iter().map(|&n| tail + (head - tail) * shape(position(n))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{
        Params, Value,
        testing::{cifar100_lt, close, first_middle_last},
    };

    fn smoothing_of(counts: &ClassCounts, given: &[(&str, Value)]) -> Vec<f64> {
        let spec = Params::resolve(&METHOD, given).unwrap().build(counts);
        spec.trained().unwrap().loss.smoothing.clone()
    }

    #[test]
    fn concave_smoothing_of_cifar100_lt() {
        // tail + (head - tail) * sin(pi * (n - n.min()) / (2 * (n.max() - n.min()))) at k = 0, 50, 99, in float64.
        close(first_middle_last(&smoothing_of(&cifar100_lt(), &[])), [0.4, 0.140_808_99, 0.1], 1e-8);
    }

    #[test]
    fn every_shape_joins_head_and_tail() {
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        let concave = [0.4, 0.308_704_765_2, 0.185_358_276, 0.138_363_148_5, 0.1];
        close(smoothing_of(&counts, &[]).try_into().unwrap(), concave, 1e-9);
        for shape in ["linear", "convex", "power"] {
            let got = smoothing_of(&counts, &[("shape", Value::Text(shape.into()))]);
            assert!((got[0] - 0.4).abs() < 1e-12 && (got[4] - 0.1).abs() < 1e-12, "{shape}");
            // All other shapes lie below the concave one, and fall.
            assert!(got.iter().zip(concave).all(|(got, concave)| *got <= concave + 1e-9), "{shape}");
            assert!(got.windows(2).all(|pair| pair[0] > pair[1]), "{shape}");
        }
    }
}
