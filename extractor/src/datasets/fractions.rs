//! Validation and test splits drawn from the training samples: a part of each class, whole groups only.
//!
//! # Source
//! Groups are dealt out as by scikit-learn's `StratifiedGroupKFold`: the largest first, each to the split that its classes are
//! missing in most. Without a group file each sample is a group of its own, and every class is divided exactly.

use super::{group_file, samples::Samples};
use crate::ExtractError;
use cache::{ClassId, DrawnSplits, LeftOut, Split};
use longtail::random;
use rand_chacha::rand_core::Rng;
use std::{cmp::Reverse, path::PathBuf};

/// The splits that are drawn, in the order of the three numbers of a [`Shares`].
const SPLITS: [Split; 3] = [Split::Train, Split::Val, Split::Test];

/// Which part of each class becomes validation and test samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fractions {
    /// Validation samples, as a fraction of each class.
    pub val: Option<f64>,
    /// Test samples, as a fraction of each class.
    pub test: Option<f64>,
    /// Seed of the draw.
    pub seed: u64,
    /// A table `path or id, group`: samples of one group stay in one split.
    pub group_file: Option<PathBuf>,
}

/// Which samples went where.
#[derive(Debug)]
pub(crate) struct Drawn {
    splits: Vec<Split>,
    /// For the manifest.
    pub(crate) info: DrawnSplits,
    /// Rows of the group file that no sample has.
    pub(crate) left_out: Option<LeftOut>,
}

impl Drawn {
    /// The rows of a split, in their order.
    pub(crate) fn rows(&self, split: Split) -> Vec<u32> {
        (0..).zip(&self.splits).filter(|(_, of)| **of == split).map(|(row, _)| row).collect()
    }
}

impl Fractions {
    /// What a manifest says was drawn; the group file must be given again.
    pub fn recorded(drawn: &DrawnSplits, group_file: Option<PathBuf>) -> Self {
        Self { val: drawn.val_fraction, test: drawn.test_fraction, seed: drawn.seed, group_file }
    }

    /// Whether anything is drawn.
    pub fn any(&self) -> bool {
        self.val.is_some() || self.test.is_some()
    }

    /// Checks the fractions alone.
    ///
    /// # Errors
    /// [`ExtractError::InvalidSetting`].
    pub fn check(&self) -> Result<(), ExtractError> {
        let outside = |fraction: f64| !(fraction > 0.0 && fraction < 1.0);
        for (name, fraction, split) in
            [("--val-fraction", self.val, "validation"), ("--test-fraction", self.test, "test")]
        {
            if let Some(fraction) = fraction.filter(|fraction| outside(*fraction)) {
                let hint = format!("0.2 keeps a fifth of each class for the {split}");
                return invalid(name, "a number between 0 and 1", fraction.to_string(), hint);
            }
        }
        match (self.val, self.test) {
            (Some(val), Some(test)) if outside(val + test) => {
                let got = format!("{val} and {test} for the test");
                let hint = "the rest of each class is for training".to_owned();
                invalid("--val-fraction", "fractions that add up to less than 1", got, hint)
            }
            (None, None) if self.seed != 0 => {
                let expected = "`--val-fraction` or `--test-fraction` with it";
                invalid("--split-seed", expected, "none".to_owned(), "it draws those".to_owned())
            }
            (None, None) if self.group_file.is_some() => {
                let hint = "it says which samples a drawn split keeps together".to_owned();
                let expected = "`--val-fraction` or `--test-fraction` with it";
                invalid("--group-file", expected, "none".to_owned(), hint)
            }
            _ => Ok(()),
        }
    }

    /// Draws the splits: a function of seed, ids, classes and groups, whatever the order of the samples.
    ///
    /// A class of n samples gives a fraction f of them rounded, at least one to each split that is drawn, and keeps at least one
    /// for training: of two it gives one to the test, of one none. Whole groups come as near to that as they can, and leave at
    /// least one sample of each class in training always.
    ///
    /// # Errors
    /// As [`Fractions::check`]; those of reading the group file.
    pub(crate) fn draw(&self, samples: &Samples<'_>) -> Result<Drawn, ExtractError> {
        self.check()?;
        let grouping = self.group_file.as_deref().map(|path| group_file::read(path, samples)).transpose()?;
        let info = DrawnSplits {
            val_fraction: self.val,
            test_fraction: self.test,
            seed: self.seed,
            group_file: grouping.as_ref().map(|grouping| grouping.digest.clone()),
        };
        let members: Vec<Vec<u32>> = match &grouping {
            Some(grouping) => grouping.members(),
            None => (0..).take(samples.labels.len()).map(|row| vec![row]).collect(),
        };
        let rank = |group: usize, rows: &[u32]| match (&grouping, rows) {
            (Some(grouping), _) => {
                let name = grouping.names.get(group).map_or("", String::as_str);
                random::stream(self.seed, &format!("split of the group {name}"), 0).next_u64()
            }
            (None, rows) => {
                let row = rows.first().map_or(0, |&row| row as usize);
                let id = samples.sample_ids.get(row).copied().unwrap_or_default();
                random::stream(self.seed, "split of a sample", u64::from_le_bytes(id.to_le_bytes()))
                    .next_u64()
            }
        };
        let mut groups: Vec<Group> = members
            .into_iter()
            .enumerate()
            .map(|(index, rows)| Group {
                rank: rank(index, &rows),
                counts: counts(&rows, samples.labels),
                rows,
            })
            .collect();
        groups.sort_by_key(|group| Reverse((group.rows.len(), group.rank)));
        let splits = self.deal(&groups, samples);
        Ok(Drawn { splits, info, left_out: grouping.and_then(|grouping| grouping.left_out) })
    }

    /// Deals the groups out, in their order.
    fn deal(&self, groups: &[Group], samples: &Samples<'_>) -> Vec<Split> {
        let mut sizes = vec![0_u32; samples.classes];
        for label in samples.labels {
            sizes.iter_mut().skip(label.index()).take(1).for_each(|size| *size += 1);
        }
        let mut classes: Vec<Class> = sizes.iter().map(|&n| Class::new(self.shares(n))).collect();
        let mut splits = vec![Split::Train; samples.labels.len()];
        for group in groups {
            let keeps_training =
                group.counts.iter().all(|&(class, n)| classes.get(class).is_none_or(|own| own.open > n));
            let mut best = (f64::INFINITY, 0);
            for index in 0..SPLITS.len() {
                let cost = group
                    .counts
                    .iter()
                    .map(|&(class, n)| classes.get(class).map_or(0.0, |own| own.cost(index, n)));
                let cost = cost.sum::<f64>();
                if (index == 0 || (keeps_training && self.draws(index))) && cost < best.0 {
                    best = (cost, index);
                }
            }
            for &(class, n) in &group.counts {
                if let Some(own) = classes.get_mut(class) {
                    own.give(best.1, n);
                }
            }
            let split = SPLITS.get(best.1).copied().unwrap_or(Split::Train);
            for &row in &group.rows {
                splits.iter_mut().skip(row as usize).take(1).for_each(|slot| *slot = split);
            }
        }
        splits
    }

    fn draws(&self, index: usize) -> bool {
        match SPLITS.get(index) {
            Some(Split::Val) => self.val.is_some(),
            Some(Split::Test) => self.test.is_some(),
            _ => true,
        }
    }

    /// Training, validation and test samples that a class of `n` is to have.
    fn shares(&self, n: u32) -> [u32; 3] {
        let wanted = [self.val, self.test].iter().flatten().count();
        let part = |fraction: Option<f64>, most: u32| match fraction {
            Some(fraction) if most > 0 => rounded(f64::from(n) * fraction).clamp(1, most),
            _ => 0,
        };
        // The test comes first, and leaves one for validation where there is a third.
        let test = part(self.test, n.saturating_sub(if wanted == 2 && n > 2 { 2 } else { 1 }));
        let val = part(self.val, n.saturating_sub(test + 1));
        [n - val - test, val, test]
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the number of samples")]
fn rounded(n: f64) -> u32 {
    n.round() as u32
}

fn invalid(name: &'static str, expected: &str, got: String, hint: String) -> Result<(), ExtractError> {
    Err(ExtractError::InvalidSetting { name, expected: expected.to_owned(), got, hint })
}

/// Samples that stay together.
#[derive(Debug)]
struct Group {
    /// Drawn by the seed: the order of groups of one size.
    rank: u64,
    rows: Vec<u32>,
    /// Samples of each class in it.
    counts: Vec<(usize, u32)>,
}

fn counts(rows: &[u32], labels: &[ClassId]) -> Vec<(usize, u32)> {
    let mut counts = std::collections::BTreeMap::new();
    for label in rows.iter().filter_map(|&row| labels.get(row as usize)) {
        *counts.entry(label.index()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// What the splits have of a class so far.
#[derive(Clone, Debug)]
struct Class {
    shares: [u32; 3],
    have: [u32; 3],
    /// Samples that are in training or not dealt out yet.
    open: u32,
}

impl Class {
    fn new(shares: [u32; 3]) -> Self {
        Self { shares, have: [0; 3], open: shares.iter().sum() }
    }

    /// How much (have − share)² / share grows by `n` more samples.
    fn cost(&self, index: usize, n: u32) -> f64 {
        let number = |of: &[u32; 3]| f64::from(of.get(index).copied().unwrap_or(0));
        let (share, have, n) = (number(&self.shares), number(&self.have), f64::from(n));
        n * (2.0 * (have - share) + n) / share.max(0.5)
    }

    fn give(&mut self, index: usize, n: u32) {
        self.have.iter_mut().skip(index).take(1).for_each(|have| *have += n);
        if index != 0 {
            self.open -= n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples<'a>(labels: &'a [ClassId], sample_ids: &'a [i64]) -> Samples<'a> {
        let classes = labels.iter().map(|label| label.index() + 1).max().unwrap_or(0);
        Samples { labels, sample_ids, names: Vec::new(), classes }
    }

    fn fractions(val: Option<f64>, test: Option<f64>, seed: u64) -> Fractions {
        Fractions { val, test, seed, group_file: None }
    }

    /// Samples of each class in each split.
    fn table(drawn: &Drawn, labels: &[ClassId], classes: usize) -> Vec<[usize; 3]> {
        let mut table = vec![[0; 3]; classes];
        for (label, split) in labels.iter().zip(&drawn.splits) {
            table[label.index()][SPLITS.iter().position(|of| of == split).unwrap()] += 1;
        }
        table
    }

    #[test]
    fn small_classes_give_the_test_first_and_keep_one_for_training() {
        let both = fractions(Some(0.1), Some(0.2), 0);
        let shares = |n| both.shares(n);
        assert_eq!(shares(0), [0, 0, 0]);
        assert_eq!(shares(1), [1, 0, 0]);
        assert_eq!(shares(2), [1, 0, 1]);
        assert_eq!(shares(3), [1, 1, 1]);
        assert_eq!(shares(10), [7, 1, 2]);
        assert_eq!(shares(1000), [700, 100, 200]);
        assert_eq!(fractions(Some(0.4), Some(0.55), 0).shares(3), [1, 1, 1]);
        assert_eq!(fractions(Some(0.9), None, 0).shares(2), [1, 1, 0]);
    }

    #[test]
    fn fractions_that_leave_nothing_are_refused() {
        let refused = |fractions: Fractions| fractions.check().unwrap_err().to_string();
        insta::assert_snapshot!(refused(fractions(None, Some(1.0), 0)), @"`--test-fraction`: expected a number between 0 and 1, got 1");
        insta::assert_snapshot!(refused(fractions(Some(f64::NAN), None, 0)), @"`--val-fraction`: expected a number between 0 and 1, got NaN");
        insta::assert_snapshot!(refused(fractions(Some(0.5), Some(0.5), 0)), @"`--val-fraction`: expected fractions that add up to less than 1, got 0.5 and 0.5 for the test");
        let alone = Fractions { group_file: Some(PathBuf::from("groups.csv")), ..Fractions::default() };
        insta::assert_snapshot!(refused(alone), @"`--group-file`: expected `--val-fraction` or `--test-fraction` with it, got none");
    }

    proptest! {
        /// Each class is divided by its own size alone, and none is capped.
        #[test]
        fn every_class_is_divided_exactly(
            sizes in prop::collection::vec(1_u32..60, 1..8),
            val in prop::option::of(0.01_f64..0.49), test in prop::option::of(0.01_f64..0.49), seed in 0_u64..5,
        ) {
            prop_assume!(val.is_some() || test.is_some());
            let labels: Vec<ClassId> = (0..).zip(&sizes).flat_map(|(class, &n)| vec![ClassId(class); n as usize]).collect();
            let ids: Vec<i64> = (0..).take(labels.len()).collect();
            let fractions = fractions(val, test, seed);
            let drawn = fractions.draw(&samples(&labels, &ids)).unwrap();
            for (got, &n) in table(&drawn, &labels, sizes.len()).iter().zip(&sizes) {
                prop_assert_eq!(got.map(|count| u32::try_from(count).unwrap()), fractions.shares(n));
                prop_assert!(got[0] >= 1);
                for (count, fraction) in [(got[1], val), (got[2], test)] {
                    prop_assert!(n < 3 || (count as f64 - f64::from(n) * fraction.unwrap_or(0.0)).abs() <= 2.0);
                    prop_assert!(fraction.is_some() || count == 0);
                }
            }
        }

        /// Where a sample goes depends on seed and ids, not on the order in which samples are read.
        #[test]
        fn the_order_of_the_samples_does_not_matter(labels in prop::collection::vec(0_u32..4, 4..60), seed in 0_u64..5) {
            let labels: Vec<ClassId> = labels.into_iter().map(ClassId).collect();
            let ids: Vec<i64> = (100..).take(labels.len()).collect();
            let both = fractions(Some(0.2), Some(0.3), seed);
            let one = both.draw(&samples(&labels, &ids)).unwrap();
            let order: Vec<usize> = random::permutation(&mut random::stream(seed, "test", 0), labels.len()).into_iter().map(|row| row as usize).collect();
            let (other_labels, other_ids): (Vec<_>, Vec<_>) = order.iter().map(|&row| (labels[row], ids[row])).unzip();
            // The number of classes is the data set's, whoever comes last.
            let mut others = samples(&other_labels, &other_ids);
            others.classes = 4;
            let other = both.draw(&others).unwrap();
            for (&row, split) in order.iter().zip(&other.splits) {
                prop_assert_eq!(one.splits[row], *split);
            }
        }
    }

    #[test]
    fn another_seed_draws_other_samples() {
        let (labels, ids) = (vec![ClassId(0); 50], (0..50).collect::<Vec<i64>>());
        let rows =
            |seed| fractions(None, Some(0.2), seed).draw(&samples(&labels, &ids)).unwrap().rows(Split::Test);
        assert_eq!(rows(0).len(), 10);
        assert_eq!(rows(0), rows(0));
        assert_ne!(rows(0), rows(1));
    }

    /// Groups of any shape: never on two sides, one training sample of each class always.
    #[test]
    fn groups_stay_together_and_every_class_keeps_a_training_sample() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.csv");
        for seed in 0..40_u64 {
            let mut random = random::stream(seed, "groups of the test", 0);
            let n = 30 + random::below(&mut random, 200);
            let group_of: Vec<usize> = (0..n).map(|_| random::below(&mut random, 25)).collect();
            let labels: Vec<ClassId> =
                (0..n).map(|_| ClassId(u32::try_from(random::below(&mut random, 5)).unwrap())).collect();
            let ids: Vec<i64> = (0..).take(n).collect();
            let table_text: Vec<String> =
                group_of.iter().enumerate().map(|(id, group)| format!("{id},camera {group}")).collect();
            std::fs::write(&path, format!("id,group\n{}\n", table_text.join("\n"))).unwrap();
            let grouped =
                Fractions { group_file: Some(path.clone()), ..fractions(Some(0.15), Some(0.25), seed) };
            let drawn = grouped.draw(&samples(&labels, &ids)).unwrap();
            for group in 0..25 {
                let mut sides: Vec<Split> =
                    (0..n).filter(|&row| group_of[row] == group).map(|row| drawn.splits[row]).collect();
                sides.dedup();
                assert!(sides.len() <= 1, "group {group} of seed {seed} lies in {sides:?}");
            }
            let table = table(&drawn, &labels, 5);
            assert!(
                table.iter().all(|counts| counts[0] > 0 || counts.iter().sum::<usize>() == 0),
                "{table:?}"
            );
            let test = drawn.rows(Split::Test).len() as f64 / n as f64;
            assert!((test - 0.25).abs() < 0.1, "{test} of seed {seed}");
        }
    }
}
