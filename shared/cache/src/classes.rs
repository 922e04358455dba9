//! Classes, how many training samples each has, and the many / medium / few split.

use crate::error::CacheError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A class, counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassId(pub u32);

impl ClassId {
    /// The class as an index into per-class vectors.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ClassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The group of a class by its number of training samples.
///
/// # Source
/// The split of Liu et al. 2019 (OLTR) as all later work uses it: many > 100, medium 20..=100, few < 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shot {
    /// More than 100 training samples.
    Many,
    /// 20 to 100 training samples.
    Medium,
    /// Fewer than 20 training samples.
    Few,
}

impl Shot {
    /// All groups, head to tail.
    pub const ALL: [Self; 3] = [Self::Many, Self::Medium, Self::Few];

    /// The group of a class with `count` training samples.
    pub fn of(count: u64) -> Self {
        match count {
            101.. => Self::Many,
            20..=100 => Self::Medium,
            _ => Self::Few,
        }
    }

    /// The field's name of the group: `many`, `medium`, `few`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Many => "many",
            Self::Medium => "medium",
            Self::Few => "few",
        }
    }
}

/// Training samples of each class; at least one class and one sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u64>", into = "Vec<u64>")]
pub struct ClassCounts {
    counts: Vec<u64>,
    total: u64,
}

impl ClassCounts {
    /// Checks and keeps the counts n_0 … n_{C−1}.
    ///
    /// # Errors
    /// [`CacheError::InvalidClassCounts`] when there is no class, no sample, or the total overflows.
    pub fn new(counts: Vec<u64>) -> Result<Self, CacheError> {
        let total = counts.iter().try_fold(0_u64, |sum, &n| sum.checked_add(n));
        match total {
            Some(total) if total > 0 && u32::try_from(counts.len()).is_ok() => Ok(Self { counts, total }),
            _ => Err(CacheError::InvalidClassCounts { classes: counts.len() }),
        }
    }

    /// Counts the labels of a training split with `classes` classes; labels beyond are ignored by contract of the caller.
    ///
    /// # Errors
    /// As [`ClassCounts::new`].
    pub fn from_labels(labels: &[ClassId], classes: usize) -> Result<Self, CacheError> {
        let mut counts = vec![0_u64; classes];
        for label in labels {
            if let Some(count) = counts.get_mut(label.index()) {
                *count += 1;
            }
        }
        Self::new(counts)
    }

    /// n_k of every class.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Number of classes C.
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// Number of training samples N.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Class priors π_k = n_k / N.
    pub fn priors(&self) -> Vec<f64> {
        self.counts.iter().map(|&n| n as f64 / self.total as f64).collect()
    }

    /// Largest over smallest class count; infinite where a class has no sample.
    pub fn imbalance_ratio(&self) -> f64 {
        let max = self.counts.iter().copied().max().unwrap_or(0);
        let min = self.counts.iter().copied().min().unwrap_or(0);
        max as f64 / min as f64
    }

    /// The group of a class; a class outside the set counts as one without samples.
    pub fn shot(&self, class: ClassId) -> Shot {
        Shot::of(self.counts.get(class.index()).copied().unwrap_or(0))
    }

    /// The classes of one group, in order.
    pub fn classes_of(&self, shot: Shot) -> Vec<ClassId> {
        (0_u32..).map(ClassId).take(self.classes()).filter(|&class| self.shot(class) == shot).collect()
    }

    /// Classes without a training sample.
    pub fn missing(&self) -> Vec<ClassId> {
        (0_u32..).map(ClassId).zip(&self.counts).filter(|&(_, &n)| n == 0).map(|(class, _)| class).collect()
    }
}

impl TryFrom<Vec<u64>> for ClassCounts {
    type Error = CacheError;
    fn try_from(counts: Vec<u64>) -> Result<Self, CacheError> {
        Self::new(counts)
    }
}

impl From<ClassCounts> for Vec<u64> {
    fn from(counts: ClassCounts) -> Self {
        counts.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_the_published_borders() {
        assert_eq!(
            [101, 100, 20, 19, 0].map(Shot::of),
            [Shot::Many, Shot::Medium, Shot::Medium, Shot::Few, Shot::Few]
        );
    }

    #[test]
    fn priors_sum_to_one_and_the_ratio_is_max_over_min() {
        let counts = ClassCounts::new(vec![100, 50, 20, 10, 2]).unwrap();
        assert!((counts.priors().iter().sum::<f64>() - 1.0).abs() < 1e-15);
        assert!((counts.imbalance_ratio() - 50.0).abs() < 1e-12);
        assert_eq!(counts.classes_of(Shot::Few), [ClassId(3), ClassId(4)]);
    }

    #[test]
    fn rejects_counts_without_class_or_sample() {
        for counts in [vec![], vec![0, 0], vec![u64::MAX, 1]] {
            assert!(matches!(ClassCounts::new(counts), Err(CacheError::InvalidClassCounts { .. })));
        }
    }
}
