//! The data sets on which the paper prints numbers, and which of them a cache is.

use super::results::Results;
use crate::{select::Selected, statistics::Summary};
use cache::Shot;
use std::ops::Range;

/// A data set of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Benchmark {
    /// Its heading in `paper.toml`.
    pub(super) key: &'static str,
    /// Its name in titles.
    pub(super) name: &'static str,
}

/// CIFAR100-LT with imbalance ratio 100: Tables 1 and 3, and all figures.
pub(super) const CIFAR100_LT: Benchmark = Benchmark { key: "cifar100-lt-100", name: "CIFAR100-LT, IR 100" };
const CIFAR100_LT_50: Benchmark = Benchmark { key: "cifar100-lt-50", name: "CIFAR100-LT, IR 50" };
const CIFAR100_LT_10: Benchmark = Benchmark { key: "cifar100-lt-10", name: "CIFAR100-LT, IR 10" };
const IMAGENET_LT: Benchmark = Benchmark { key: "imagenet-lt", name: "ImageNet-LT" };
const INATURALIST18: Benchmark = Benchmark { key: "inaturalist18", name: "iNaturalist 2018" };

/// Many, medium and few classes of [`CIFAR100_LT`] in the paper: 500 images of the largest class.
///
/// # Source
/// Its 11 rows of Table 1 with all numbers are 0.35 many + 0.35 medium + 0.30 few.
const GROUPS: [usize; 3] = [35, 35, 30];

impl Benchmark {
    /// Those of Table 2.
    #[cfg(test)]
    pub(super) const ALL: [Self; 5] =
        [CIFAR100_LT, CIFAR100_LT_50, CIFAR100_LT_10, IMAGENET_LT, INATURALIST18];

    /// The data set of the paper that a cache holds features of; `None` where it is another one, or not known.
    pub(super) fn of(results: &Results) -> Option<Self> {
        let summary = results.summary.as_ref()?;
        match summary.manifest().dataset.name.as_str() {
            "cifar100" => {
                let ratio = summary.imbalance_ratio()?;
                let known = [(100.0, CIFAR100_LT), (50.0, CIFAR100_LT_50), (10.0, CIFAR100_LT_10)];
                let near = known.into_iter().find(|(known, _)| (ratio / known - 1.0).abs() < 0.1);
                near.map(|(_, benchmark)| benchmark)
            }
            "imagenet-lt" => Some(IMAGENET_LT),
            "inaturalist18" | "inaturalist2018" => Some(INATURALIST18),
            _ => None,
        }
    }

    /// Whether the cache is the data of Tables 1 and 3.
    pub(super) fn is_cifar100_lt(results: &Results) -> bool {
        Self::of(results) == Some(CIFAR100_LT)
    }
}

/// Where the groups of a cache have other classes than the paper's: its accuracies of groups are compared with ours on its own
/// classes, from the accuracy of each class.
#[derive(Clone, Copy, Debug)]
pub(super) struct OtherGroups<'a> {
    results: &'a Results,
    /// Many, medium and few classes here.
    own: [usize; 3],
    /// Whether class k here is class k of the paper: the largest first.
    ordered: bool,
}

impl<'a> OtherGroups<'a> {
    /// `None` where the groups are the paper's, or not known.
    pub(super) fn of(results: &'a Results) -> Option<Self> {
        let counts = results.summary.as_ref()?.class_counts();
        let own = Shot::ALL.map(|shot| counts.classes_of(shot).len());
        let all = own.iter().sum::<usize>() == GROUPS.iter().sum::<usize>();
        let ordered = all && counts.counts().is_sorted_by(|larger, smaller| larger >= smaller);
        (own != GROUPS || !ordered).then_some(Self { results, own, ordered })
    }

    /// Accuracy of a result on the classes that the paper calls many, medium or few; `None` where one of its runs does not
    /// keep the accuracy of each class in the state that the protocol selected.
    pub(super) fn on_the_papers(&self, row: &Selected, shot: Shot) -> Option<Summary> {
        self.results.evidence.accuracy_of(row, &papers_classes(shot)).filter(|_| self.ordered)
    }

    /// What the differences of groups are, or why `rows` have none.
    pub(super) fn note(&self, rows: &[&Selected]) -> String {
        let words = |sizes: [usize; 3]| sizes.map(|size| size.to_string()).join(", ");
        if !self.ordered {
            return "no difference of groups: the largest classes here are not the paper's".to_owned();
        }
        let missing = rows.iter().filter(|row| self.on_the_papers(row, Shot::Many).is_none()).count();
        if missing == rows.len() {
            return format!(
                "no difference of groups: many, medium and few are {} classes here and {} in the paper",
                words(self.own),
                words(GROUPS)
            );
        }
        let mut note = format!(
            "differences of groups are on the paper's classes, {} many, medium and few, where they are {} here: they are not \
             those of the two numbers beside them",
            words(GROUPS),
            words(self.own)
        );
        if missing > 0 {
            note += "; none where a run does not keep the accuracy of each class in the state that is shown";
        }
        note
    }
}

/// The classes of a group in the paper.
fn papers_classes(shot: Shot) -> Range<usize> {
    let [many, medium, few] = GROUPS;
    match shot {
        Shot::Many => 0..many,
        Shot::Medium => many..many + medium,
        Shot::Few => many + medium..many + medium + few,
    }
}
