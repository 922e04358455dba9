//! The data sets on which the paper prints numbers, and which of them a cache is.

use super::results::Results;
use shared::Shot;

/// A data set of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Benchmark {
    /// Its column in Table 2.
    pub(super) place: usize,
    /// Its name in titles.
    pub(super) name: &'static str,
}

/// CIFAR100-LT with imbalance ratio 100: Tables 1 and 3, and all figures.
pub(super) const CIFAR100_LT: Benchmark = Benchmark { place: 0, name: "CIFAR100-LT, IR 100" };

/// Many, medium and few classes of [`CIFAR100_LT`] in the paper: 500 images of the largest class.
///
/// # Source
/// Its 11 rows of Table 1 with all numbers are 0.35 many + 0.35 medium + 0.30 few.
const GROUPS: [usize; 3] = [35, 35, 30];

impl Benchmark {
    /// The data set of the paper that a cache holds features of; `None` where it is another one, or not known.
    pub(super) fn of(results: &Results) -> Option<Self> {
        let summary = results.summary.as_ref()?;
        match summary.manifest().dataset.name.as_str() {
            "cifar100" => {
                let ratio = summary.imbalance_ratio()?;
                let known = [
                    (100.0, CIFAR100_LT),
                    (50.0, Self { place: 1, name: "CIFAR100-LT, IR 50" }),
                    (10.0, Self { place: 2, name: "CIFAR100-LT, IR 10" }),
                ];
                let near = known.into_iter().find(|(known, _)| (ratio / known - 1.0).abs() < 0.1);
                near.map(|(_, benchmark)| benchmark)
            }
            "imagenet-lt" => Some(Self { place: 3, name: "ImageNet-LT" }),
            "inaturalist18" | "inaturalist2018" => Some(Self { place: 4, name: "iNaturalist 2018" }),
            _ => None,
        }
    }

    /// Whether the cache is the data of Tables 1 and 3.
    pub(super) fn is_cifar100_lt(results: &Results) -> bool {
        Self::of(results) == Some(CIFAR100_LT)
    }
}

/// The sizes of the groups where they are not the paper's: then its accuracies of groups are those of other classes.
pub(super) fn other_groups(results: &Results) -> Option<String> {
    let counts = results.summary.as_ref()?.class_counts();
    let own = Shot::ALL.map(|shot| counts.classes_of(shot).len());
    (own != GROUPS).then(|| {
        let words = |sizes: [usize; 3]| sizes.map(|size| size.to_string()).join(", ");
        format!(
            "no difference of groups: many, medium and few are {} classes here and {} in the paper",
            words(own),
            words(GROUPS)
        )
    })
}
