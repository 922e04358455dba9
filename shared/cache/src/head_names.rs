//! Names of tensors in the files of other programs: wrappers before them, heads, and book-keeping among them.

/// What wraps a whole network, as the first parts of a name: `module.` of `DataParallel`, `backbone.` of long-tail code,
/// `student.` of self-supervised code, `ema_model.` of averaged weights …
const WRAPPERS: [&str; 14] = [
    "module",
    "_orig_mod",
    "backbone",
    "model",
    "encoder",
    "net",
    "network",
    "base_model",
    "feat_model",
    "student",
    "teacher",
    "model_ema",
    "ema_model",
    "_forward_module",
];

/// What wraps a layer within a network too: `DataParallel`, `torch.compile`, FSDP, activation checkpoints.
const WITHIN: [&str; 4] = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// What a network's last layer is called: the stem of `fc.weight` and `fc.bias`.
pub const HEADS: [&str; 9] = [
    "fc",
    "linear",
    "classifier",
    "head",
    "head.fc",
    "last_linear",
    "classifier.fc",
    "classifier.linear",
    "logits",
];

/// Scales of cosine classifiers, beside their weight.
pub const SCALES: [&str; 2] = ["scale", "sigma"];

/// Factors of the logits, beside a head or the network: stage 2 of MiSLAS and LWS learn them.
pub const FACTORS: [&str; 2] = ["learned_norm", "scales"];

/// Counters that layers and averages keep beside their weights: last parts of their names.
const BOOK_KEEPING: [&str; 5] = ["num_batches_tracked", "n_averaged", "num_updates", "initted", "step"];

/// A tensor's name without wrappers, in any nesting.
pub(crate) fn without_wrappers(name: &str) -> String {
    without_wrappers_but(name, &[])
}

/// As `without_wrappers`, for a network some of whose own `layers` are called as wrappers are.
pub fn without_wrappers_but(name: &str, layers: &[&str]) -> String {
    let mut parts: Vec<&str> = name.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    let leading = parts.iter().take_while(|part| WRAPPERS.contains(part) && !layers.contains(part)).count();
    let kept = parts.iter().skip(leading).filter(|part| !WITHIN.contains(part));
    kept.copied().chain([last]).collect::<Vec<_>>().join(".")
}

/// Whether a tensor counts steps and is no weight.
pub fn is_book_keeping(name: &str) -> bool {
    BOOK_KEEPING.contains(&name.rsplit('.').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wrappers_in_any_nesting_change_nothing(nested in prop::collection::vec(0..WRAPPERS.len(), 0..5)) {
            let prefix: String = nested.iter().flat_map(|&index| [WRAPPERS[index], "."]).collect();
            for name in ["layer1.0.conv1.weight", "fc.bias", "weight"] {
                prop_assert_eq!(without_wrappers(&format!("{prefix}{name}")), name);
            }
        }
    }

    #[test]
    fn wrapped_layers_are_unwrapped_and_other_names_stay() {
        assert_eq!(without_wrappers("layer1._orig_mod.0.conv1.weight"), "layer1.0.conv1.weight");
        assert_eq!(without_wrappers("model.layer1.module.0.bn1.bias"), "layer1.0.bn1.bias");
        for name in ["encoder_q.conv1.weight", "layer1.model.0.weight", "module", "head.fc.weight"] {
            assert_eq!(without_wrappers(name), name);
        }
        assert!(is_book_keeping("module.bn1.num_batches_tracked") && is_book_keeping("n_averaged"));
        assert!(!is_book_keeping("fc.weight") && !is_book_keeping("step.weight"));
    }
}
