//! What is worth knowing of the samples of a data set before hours are spent on it.

use cache::{ClassId, DrawnSplits, LeftOut, Split};
use std::collections::BTreeSet;

/// `drawn 0.2 for the test, seed 0: 40 training images, 10 test (20.0 %)`, of the samples of each split.
pub(crate) fn realised(drawn: &DrawnSplits, [train, val, test]: [usize; 3], samples: &str) -> String {
    let shares = [(drawn.val_fraction, val, "validation"), (drawn.test_fraction, test, "test")];
    let shares = || shares.iter().filter(|(fraction, ..)| fraction.is_some());
    let all = train + shares().map(|(_, count, _)| count).sum::<usize>();
    let parts: Vec<String> = shares()
        .map(|(_, count, split)| {
            format!("{count} {split} ({:.1} %)", 100.0 * *count as f64 / all.max(1) as f64)
        })
        .collect();
    format!("drawn {drawn}: {train} training {samples}, {}", parts.join(", "))
}

/// `warning: 2 of 100 classes have no test images (ant, bee)`; `None` where each class has one, of those that are `trained`.
pub(crate) fn absent(
    labels: &[ClassId],
    trained: Option<&[ClassId]>,
    class_names: &[String],
    split: Split,
    samples: &str,
) -> Option<String> {
    let set = |labels: &[ClassId]| labels.iter().map(|label| label.0).collect::<BTreeSet<u32>>();
    let (present, trained) = (set(labels), trained.map(set));
    let counts = |class: &u32| trained.as_ref().is_none_or(|trained| trained.contains(class));
    let absent: Vec<&str> = (0..)
        .zip(class_names)
        .filter(|(class, _)| counts(class) && !present.contains(class))
        .map(|(_, name)| name.as_str())
        .collect();
    let more = if absent.len() > LeftOut::NAMES { " …" } else { "" };
    let first = absent.iter().take(LeftOut::NAMES).copied().collect::<Vec<_>>().join(", ");
    let (count, all, split) = (absent.len(), class_names.len(), split.adjective());
    (count > 0)
        .then(|| format!("warning: {count} of {all} classes have no {split} {samples} ({first}{more})"))
}
