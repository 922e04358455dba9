//! Classifier re-training: a fresh head on class-balanced batches.

use super::{Method, Training, Value};
use crate::head::{HeadSpec, Loss};

pub(super) static METHOD: Method = Method {
    name: "crt",
    aliases: &["classifier-retraining"],
    title: "cRT",
    idea: "Throws the stage-1 classifier away and trains a new one with cross-entropy on class-balanced batches. Features stay as they are.",
    formula: "−log p_y, four samples of each class in turn, W fresh",
    source: "Kang et al. 2020 (ICLR), §4; sampler, learning rate and decay of their ImageNet-LT code",
    reduces_to: "`ce` from a fresh head with `sampler = \"instance-balanced\"`",
    training: Training::Sgd,
    params: &[],
    sgd_defaults: &[
        ("init", Value::Choice("fresh")),
        ("sampler", Value::Choice("class-aware")),
        ("lr", Value::Number(0.2)),
        ("weight_decay", Value::Number(5e-4)),
        ("epochs", Value::Number(10.0)),
        ("batch_size", Value::Number(512.0)),
    ],
    grid: "lr = [2e-3, 2e-2, 0.2]",
    build: |class_counts, _| HeadSpec::sgd(Loss::cross_entropy(class_counts.classes())),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{Init, Params, Sampler, SgdSettings};

    #[test]
    fn the_head_is_fresh_and_the_sampler_class_aware() {
        let settings = SgdSettings::from_params(&Params::resolve(&METHOD, &[]).unwrap());
        assert_eq!((settings.init, settings.sampler), (Init::Fresh, Sampler::ClassAware));
    }
}
