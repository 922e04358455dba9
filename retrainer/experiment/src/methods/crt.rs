//! Classifier re-training: a fresh head on class-balanced batches.

use super::{Build, Init, Method, SamplerKind, Training, ce, params, published};
use crate::spec::{HeadSpec, Loss};
use cache::ClassCounts;

params! {
    /// Hyper-parameters of `crt`.
    struct Crt {}
}

pub(super) static METHOD: Method = Method {
    name: "crt",
    aliases: &["classifier-retraining"],
    title: "cRT",
    idea: "Throws the stage-1 classifier away and trains a new one with cross-entropy on class-balanced batches. Features stay as they are.",
    formula: "−log p_y, four samples of each class in turn, W fresh",
    source: "Kang et al. 2020 (ICLR), §4; sampler, learning rate and decay of their ImageNet-LT code",
    reduces_to: "`ce` from a fresh head with `sampler = \"instance-balanced\"`",
    neutral: Some(&ce::METHOD),
    training: Training::Sgd,
    own: &Crt::DEFAULT,
    published: published!(
        init = Init::Fresh,
        sampler = SamplerKind::ClassAware,
        lr = 0.2,
        weight_decay = 5e-4,
        epochs = 10,
        batch_size = 512
    ),
    grid: "lr = [2e-3, 2e-2, 0.2]",
};

impl Build for Crt {
    fn build(&self, class_counts: &ClassCounts) -> HeadSpec {
        HeadSpec::sgd(Loss::cross_entropy(class_counts.classes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{Init, Sampler};

    #[test]
    fn the_head_is_fresh_and_the_sampler_class_aware() {
        let settings = METHOD.sgd_settings().unwrap();
        assert_eq!((settings.init, settings.sampler()), (Init::Fresh, Sampler::ClassAware));
    }
}
