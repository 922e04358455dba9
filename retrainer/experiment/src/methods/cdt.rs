//! Class-dependent temperatures: logits of small classes divided during training.

use super::{Build, Method, Training, ce, params, range::within};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `cdt`.
    struct Cdt {
        /// exponent γ of the temperature
        gamma: f64 = 0.3, within(0.0, 4.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "cdt",
    aliases: &[],
    title: "CDT",
    idea: "Divides the logits of small classes in training, so that they must grow larger to fit; this makes up for the drift of small classes' features at test time.",
    formula: "z_k/D_k in training, D_k = (n_max/n_k)^γ",
    source: "Ye et al. 2020 (arXiv:2001.01385), Eq. 5",
    reduces_to: "`ce` at γ = 0 or equal class counts",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Cdt::DEFAULT,
    published: &[],
    grid: "gamma = [0.1, 0.2, 0.3, 0.4]\nlr = [5e-4, 5e-3, 5e-2, 0.2]",
};

impl Build for Cdt {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        let scale = size_scale(class_counts, self.gamma);
        HeadSpec::sgd(Loss { scale, ..Loss::cross_entropy(class_counts.classes()) })
    }
}

/// `1/D_k = (n_k/n_max)^γ`.
pub(super) fn size_scale(class_counts: &ClassCounts, gamma: f64) -> Vec<f64> {
    let counts = class_counts.counts();
    let largest = counts.iter().copied().max().unwrap_or(1) as f64;
    // A class without samples has no temperature at γ > 0: NaN is reported by the plan with the class's name.
    let scale = |n: u64| if n == 0 && gamma != 0.0 { f64::NAN } else { (n as f64 / largest).powf(gamma) };
    counts.iter().map(|&n| scale(n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::testing::{cifar100_lt, close, first_middle_last};

    #[test]
    fn temperatures_of_cifar100_lt() {
        // (n.max() / n) ** gamma at k = 0, 50, 99, in float64.
        let temperatures = |gamma: f64| -> Vec<f64> {
            size_scale(&cifar100_lt(), gamma).iter().map(|scale| 1.0 / scale).collect()
        };
        close(first_middle_last(&temperatures(0.3)), [1.0, 2.019_847_73, 3.981_071_71], 1e-8);
        close(first_middle_last(&temperatures(0.05)), [1.0, 1.124_310_94, 1.258_925_41], 1e-8);
    }
}
