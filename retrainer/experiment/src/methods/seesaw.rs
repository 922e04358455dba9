//! Seesaw: pushes rarer classes less, and more where a sample is taken for one of them.

use super::{Build, Method, Training, ce, params, range::within};
use crate::spec::{Family, HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `seesaw`.
    struct Seesaw {
        /// exponent p of the ratio of class sizes
        mitigation: f64 = 0.8, within(0.0, 10.0), neutral 0.0;
        /// exponent q of the ratio of probabilities
        compensation: f64 = 2.0, within(0.0, 10.0), neutral 0.0;
    }
}

pub(super) static METHOD: Method = Method {
    name: "seesaw",
    aliases: &[],
    title: "Seesaw",
    idea: "Lets samples push the logits of rarer classes less, the rarer the less (mitigation), but more where the sample is taken for the rival rather than for its own class (compensation). The plain logits decide at test time.",
    formula: "z_k + p log min(1, n_k/n_y) + q log max(1, p_k/p_y) in training, p_k the softmax of z without gradient, p_y ≥ 0.01",
    source: "Wang et al. 2021 (CVPR), for classification: with the class counts themselves, where their code counts the samples seen so far; p 0.8, q 2",
    reduces_to: "`ce` at mitigation = compensation = 0",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Seesaw::DEFAULT,
    published: &[],
    grid: "mitigation = [0.4, 0.8, 1.2]\ncompensation = [0, 2]\nlr = [5e-4, 5e-3, 5e-2]",
};

impl Build for Seesaw {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::sgd(Loss {
            family: Family::Seesaw,
            mitigation: log_sizes(class_counts, self.mitigation),
            compensation: self.compensation,
            ..Loss::cross_entropy(class_counts.classes())
        })
    }
}

/// `p log n_k`; 0 at p = 0 even for classes without samples.
fn log_sizes(class_counts: &ClassCounts, power: f64) -> Vec<f64> {
    let log_size = |&n: &u64| if power == 0.0 { 0.0 } else { power * (n as f64).ln() };
    class_counts.counts().iter().map(log_size).collect()
}
