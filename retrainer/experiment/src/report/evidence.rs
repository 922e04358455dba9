//! Whether a difference is more than chance: over seeds, and over test images.

use crate::{
    metrics::{Confusions, Hits, TOP1},
    records::{RecordError, RunStore},
    select::{SeedResult, Selected, selected_detail},
    statistics::{Summary, holm, mcnemar, paired_bootstrap, paired_t_test},
};
use std::collections::BTreeMap;

/// Results that are compared image by image; of more, none is: it would take long, and no p-value would survive Holm's
/// correction of so many.
pub(super) const MOST_RESULTS: usize = 100;

/// Which test images the selected runs of a cache have right, and the accuracy of each class.
///
/// Heads are compared image by image only within one cache: its key says that the images are the same.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    hits: BTreeMap<Box<str>, Hits>,
    /// Accuracy of each class `[C]` in the state that the protocol selected.
    accuracies: BTreeMap<Box<str>, Vec<Option<f32>>>,
    confusions: BTreeMap<Box<str>, Confusions>,
    /// What is wrong with hits or confusions that were left out.
    pub problems: Vec<String>,
    /// Whether there are too many results to look at images.
    pub too_many: bool,
}

/// p-values of the difference of two results in accuracy, if there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chance {
    /// Over seeds: the paired t-test; `None` where fewer than two pair up.
    pub seeds: Option<f64>,
    /// Over test images: McNemar's test of one run against one where all classes have as many images, so that the accuracy
    /// is the share of images; else the paired bootstrap within classes of the means over seeds. `None` where a run does not
    /// record its hits.
    pub images: Option<f64>,
    /// Whether neither side is trained, so that seeds change nothing.
    pub untrained: bool,
}

impl Chance {
    /// The p-value of a difference over seeds and over images: the larger of both, and of heads without training that over
    /// images alone.
    pub(crate) fn p_value(self) -> Option<f64> {
        if self.untrained { self.images } else { Some(self.seeds?.max(self.images?)) }
    }
}

/// Two results whose difference is in question.
pub(super) type Pair<'a> = (&'a Selected, &'a Selected);

/// Comparisons by the bootstrap: places of the pairs, and differences of every image.
type Comparisons = (Vec<usize>, Vec<Vec<i32>>);

impl Evidence {
    /// Reads the per-class accuracies and the hits of all seeds of the results; `images` is the size of the test split, where the folder tells it.
    ///
    /// # Errors
    /// [`RecordError`] when a record file cannot be read again.
    pub(super) fn read(
        store: &RunStore,
        selected: &[Selected],
        images: Option<u64>,
    ) -> Result<Self, RecordError> {
        if selected.len() > MOST_RESULTS {
            return Ok(Self { too_many: true, ..Self::default() });
        }
        let seeds = || selected.iter().flat_map(Selected::seeds);
        let records = store.records(&seeds().map(|seed| &*seed.run_id).collect())?;
        let mut evidence = Self::default();
        for seed in seeds() {
            let Some(record) = records.get(&*seed.run_id) else { continue };
            let size = |hits: &Hits| hits.samples().iter().map(|&n| u64::from(n)).sum::<u64>();
            let detail = selected_detail(record, seed);
            if let Ok(Some(detail)) = &detail {
                evidence.accuracies.insert(seed.run_id.clone(), detail.per_class.accuracy.clone());
                match detail.confusions() {
                    Ok(confusions) => {
                        evidence.confusions.extend(confusions.map(|own| (seed.run_id.clone(), own)));
                    }
                    Err(error) => evidence
                        .problems
                        .push(format!("the confusions of run {} are left out: {error}", seed.run_id)),
                }
            }
            let hits = detail.and_then(|detail| detail.map_or(Ok(None), |detail| detail.hits()));
            let problem = match hits {
                Ok(None) => continue,
                Ok(Some(hits)) if images.is_some_and(|images| images != size(&hits)) => {
                    format!("{} images, the test split has {}", size(&hits), images.unwrap_or_default())
                }
                Ok(Some(hits)) => {
                    evidence.hits.insert(seed.run_id.clone(), hits);
                    continue;
                }
                Err(error) => error.to_string(),
            };
            evidence.problems.push(format!("the hits of run {} are left out: {problem}", seed.run_id));
        }
        Ok(evidence)
    }

    /// The p-values of differences, all over the same resamples of images.
    pub(super) fn chances(&self, pairs: &[Pair<'_>]) -> Vec<Chance> {
        let mut chances: Vec<Chance> = pairs
            .iter()
            .map(|(own, other)| Chance {
                seeds: paired_t_test(&own.paired_differences(other, TOP1.all)),
                images: None,
                untrained: own.untrained() && other.untrained(),
            })
            .collect();
        // Class sizes are those of the test split, the same for all pairs of whole records.
        let mut bootstrap: BTreeMap<&[u32], Comparisons> = BTreeMap::new();
        for (place, (own, other)) in pairs.iter().enumerate() {
            let Some((own, other)) = self.hits_of(own).zip(self.hits_of(other)) else { continue };
            let Some(sizes) = same_sizes(own.iter().chain(&other).copied()) else { continue };
            if let ([own], [other], true) = (own.as_slice(), other.as_slice(), all_equal(sizes)) {
                if let Some(chance) = chances.get_mut(place) {
                    chance.images = Some(one_against_one(own, other));
                }
                continue;
            }
            let (places, differences) = bootstrap.entry(sizes).or_default();
            places.push(place);
            differences.push(difference(&own, &other));
        }
        for (sizes, (places, differences)) in bootstrap {
            for (place, p_value) in places.into_iter().zip(paired_bootstrap(sizes, &differences)) {
                if let Some(chance) = chances.get_mut(place) {
                    chance.images = Some(p_value);
                }
            }
        }
        chances
    }

    /// Mean of the accuracies of these classes over the seeds of a result; `None` where a run does not record them.
    pub(super) fn accuracy_of(
        &self,
        row: &Selected,
        classes: &(impl Iterator<Item = usize> + Clone),
    ) -> Option<Summary> {
        let accuracy = |seed: &SeedResult| {
            let all = self.accuracies.get(&seed.run_id)?;
            let own = classes.clone().map(|class| all.get(class)).collect::<Option<Vec<_>>>()?;
            let known: Vec<f64> = own.into_iter().flatten().map(|&accuracy| accuracy.into()).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        Summary::of(&row.seeds().iter().map(accuracy).collect::<Option<Vec<_>>>()?)
    }

    /// The confusions of all seeds together; `None` where those of one are missing.
    pub(super) fn confusions_of(&self, row: &Selected) -> Option<Confusions> {
        let own = row.seeds().iter().map(|seed| self.confusions.get(&seed.run_id));
        Confusions::sum(own.collect::<Option<Vec<_>>>()?.into_iter())
    }

    /// The hits of all seeds; `None` where one is missing.
    fn hits_of(&self, row: &Selected) -> Option<Vec<&Hits>> {
        let hits = row.seeds().iter().map(|seed: &SeedResult| self.hits.get(&seed.run_id));
        hits.collect::<Option<Vec<_>>>().filter(|hits| !hits.is_empty())
    }
}

/// The p-values of several differences after Holm's correction; those without one are no comparisons.
pub(super) fn corrected(chances: &[Option<Chance>]) -> Vec<Option<f64>> {
    let p_values = || chances.iter().map(|chance| chance.and_then(Chance::p_value));
    let mut corrected = holm(&p_values().flatten().collect::<Vec<_>>()).into_iter();
    p_values().map(|p_value| p_value.and_then(|_| corrected.next())).collect()
}

fn same_sizes<'a>(mut hits: impl Iterator<Item = &'a Hits>) -> Option<&'a [u32]> {
    let first = hits.next()?.samples();
    hits.all(|hits| hits.samples() == first).then_some(first)
}

/// Whether all classes with images have as many of them.
fn all_equal(sizes: &[u32]) -> bool {
    let mut sizes = sizes.iter().filter(|&&n| n > 0);
    let first = sizes.next();
    sizes.all(|n| Some(n) == first)
}

fn one_against_one(own: &Hits, other: &Hits) -> f64 {
    let discordant = own.right().zip(other.right());
    let (first, second) = discordant.fold((0, 0), |(first, second), pair| match pair {
        (true, false) => (first + 1, second),
        (false, true) => (first, second + 1),
        _ => (first, second),
    });
    mcnemar(first, second)
}

/// Difference of the means over seeds for every image, times both numbers of seeds.
fn difference(own: &[&Hits], other: &[&Hits]) -> Vec<i32> {
    let count = |hits: &[&Hits]| -> Vec<i32> {
        let mut counts: Vec<i32> = Vec::new();
        for hits in hits {
            counts.resize(hits.right().count(), 0);
            counts.iter_mut().zip(hits.right()).for_each(|(count, right)| *count += i32::from(right));
        }
        counts
    };
    let seeds = |hits: &[&Hits]| i32::try_from(hits.len()).unwrap_or(i32::MAX);
    let (own_seeds, other_seeds) = (seeds(own), seeds(other));
    let pairs = count(own).into_iter().zip(count(other));
    pairs
        .map(|(own, other)| own.saturating_mul(other_seeds).saturating_sub(other.saturating_mul(own_seeds)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        records::{RunRecord, RunWriter, testing::with_hits},
        report::{Results, TABLES},
        select::Protocol,
    };

    /// Right on the first `share` of 1,000 samples, but for those that `flip` names.
    fn right(share: usize, flip: impl Fn(usize) -> bool) -> Vec<bool> {
        (0..1000).map(|sample| (sample < share) != flip(sample)).collect()
    }

    fn run(method: &str, seed: u64, epoch: u32, right: &[bool]) -> RunRecord {
        with_hits(method, seed, epoch, 10, right)
    }

    fn store(records: &[RunRecord]) -> (tempfile::TempDir, RunStore) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create(folder.path()).unwrap();
        for record in records {
            writer.append(record).unwrap();
        }
        writer.finish().unwrap();
        let store = RunStore::open(folder.path()).unwrap();
        (folder, store)
    }

    /// Results of the records, read from a folder of their own.
    fn results(records: &[RunRecord]) -> Results {
        let (_folder, store) = store(records);
        Results::of_store(&store, Some(Protocol::Last), None, &[]).unwrap().remove(0)
    }

    fn chance(results: &Results, method: &str) -> (Chance, Option<f64>) {
        let place = results.selected.iter().position(|row| row.method() == method).unwrap();
        let gain = results.gains()[place].unwrap();
        (gain.chance, gain.corrected)
    }

    /// The sentence below the leaderboard.
    fn legend(results: Results) -> String {
        let table = (TABLES[0].build)(&[results]).remove(0);
        table.notes.into_iter().find(|note| note.starts_with("gain")).unwrap()
    }

    fn stage1() -> RunRecord {
        run("stage1", 0, 0, &right(400, |_| false))
    }

    #[test]
    fn a_gain_that_every_seed_has_on_few_images_is_chance_and_one_on_many_is_not() {
        let mut records = vec![stage1()];
        for seed in 0..5_usize {
            // 16 images better, 13 or 14 worse: 2 to 3 of 1,000, the same for every seed of the head.
            let small = |i: usize| (400..416).contains(&i) || (i < 14 && i != seed);
            records.push(run("lort", seed as u64, 20, &right(400, small)));
            let large = |i: usize| (400..490).contains(&i) || (i < 20 && i != seed);
            records.push(run("ce", seed as u64, 20, &right(400, large)));
        }
        let results = results(&records);
        let (small, corrected) = chance(&results, "lort");
        // All differences over seeds are equal: nothing tells their noise.
        assert_eq!((small.seeds, small.p_value(), corrected), (None, None, None));
        assert!(small.images.unwrap() > 0.3, "{small:?}");
        let mut uneven = records.clone();
        for record in uneven.iter_mut().filter(|record| record.method == "lort" && record.seed == 0) {
            *record = run("lort", 0, 20, &right(400, |i| (400..417).contains(&i) || (i < 14 && i != 0)));
        }
        let results = self::results(&uneven);
        let (small, corrected) = chance(&results, "lort");
        assert!(small.seeds.unwrap() < 0.001 && small.images.unwrap() > 0.3, "{small:?}");
        assert!(corrected.unwrap() > 0.3);
        let (large, _) = chance(&results, "ce");
        assert!(large.images.unwrap() < 0.001, "{large:?}");
    }

    #[test]
    fn heads_without_training_are_judged_by_mcnemar_over_images_alone() {
        let better = |i: usize| (400..460).contains(&i) || i < 20;
        let results = results(&[stage1(), run("tau-norm", 0, 0, &right(400, better))]);
        let (chance, corrected) = chance(&results, "tau-norm");
        assert_eq!(chance, Chance { seeds: None, images: Some(mcnemar(60, 20)), untrained: true });
        assert_eq!(corrected, chance.images, "one comparison");
        insta::assert_snapshot!(legend(results), @"gain: difference to `stage1` in percentage points; * p < 0.05 over seeds (paired t-test) and over test images (paired bootstrap within classes, or McNemar's test of one run against one), Holm-corrected over 1 row; heads without training have no seeds: images alone");
    }

    #[test]
    fn where_classes_have_unlike_numbers_of_images_one_against_one_is_a_bootstrap_too() {
        // One image more in five classes; the accuracy is no longer the share of images.
        let more = |right: Vec<bool>| [right, vec![true; 5]].concat();
        let better = |i: usize| (400..460).contains(&i) || i < 20;
        let records = [
            run("stage1", 0, 0, &more(right(400, |_| false))),
            run("tau-norm", 0, 0, &more(right(400, better))),
        ];
        let images = chance(&results(&records), "tau-norm").0.images.unwrap();
        assert!(images < 0.001 && images != mcnemar(60, 20), "{images}");
        // Heads on other images are not compared.
        let mixed = [records[0].clone(), run("tau-norm", 0, 0, &right(400, better))];
        assert_eq!(chance(&results(&mixed), "tau-norm").0.images, None);
    }

    #[test]
    fn hits_of_another_test_split_are_left_out_and_said() {
        let (_folder, store) = store(&[stage1()]);
        let results = Results::of(store.runs(), Some(Protocol::Last), None, &[]).unwrap();
        let evidence = |images| Evidence::read(&store, &results[0].selected, images).unwrap();
        assert!(evidence(Some(1000)).problems.is_empty() && evidence(None).problems.is_empty());
        let problem = evidence(Some(999)).problems.remove(0);
        assert!(problem.ends_with("are left out: 1000 images, the test split has 999"), "{problem}");
        assert!(evidence(Some(999)).hits.is_empty());
    }

    #[test]
    fn one_trained_run_tells_nothing_of_its_seeds() {
        let results = results(&[stage1(), run("ce", 0, 20, &right(900, |_| false))]);
        let (chance, corrected) = chance(&results, "ce");
        assert!(chance.images.unwrap() < 1e-9);
        assert_eq!((chance.seeds, corrected), (None, None));
        insta::assert_snapshot!(legend(results), @"gain: difference to `stage1` in percentage points; none is marked; 1 row has one seed or equal seeds: chance over seeds unknown, no mark");
    }

    #[test]
    fn an_untrained_head_beside_a_trained_baseline_is_tested_as_the_other_way_round() {
        let trained = [0_u8, 1, 2]
            .map(|seed| run("ce", seed.into(), 20, &right(900 + 5 * usize::from(seed), |_| false)));
        let records = [&[stage1()][..], &trained].concat();
        let (_folder, store) = store(&records);
        let of = |baseline: &str, method: &str| {
            let results = Results::of_store(&store, Some(Protocol::Last), Some(baseline), &[]).unwrap();
            chance(&results[0], method)
        };
        let ((gain, marked), (loss, also)) = (of("stage1", "ce"), of("ce", "stage1"));
        assert!(marked.unwrap() < 0.05 && also.unwrap() < 0.05);
        assert!((gain.seeds.unwrap() - loss.seeds.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn p_values_are_corrected_for_all_rows_with_both() {
        let chance = |seeds, images| Some(Chance { seeds, images, untrained: false });
        let rows =
            [chance(Some(0.01), Some(0.02)), None, chance(Some(0.001), None), chance(Some(0.03), Some(0.01))];
        assert_eq!(corrected(&rows), [Some(0.04), None, None, Some(0.04)]);
    }

    #[test]
    fn runs_of_older_programs_have_no_mark_and_the_table_says_why() {
        let mut records = [0_u8, 1, 2]
            .map(|seed| run("ce", seed.into(), 20, &right(900 + 5 * usize::from(seed), |_| false)));
        assert!(legend(results(&[&[stage1()][..], &records].concat())).contains("Holm-corrected over 1 row"));
        for record in &mut records {
            record.per_class = None;
        }
        let results = results(&[&[stage1()][..], &records].concat());
        let (chance, corrected) = chance(&results, "ce");
        assert!(chance.seeds.is_some_and(|p| p < 0.01));
        assert_eq!((chance.images, corrected), (None, None));
        insta::assert_snapshot!(legend(results), @"gain: difference to `stage1` in percentage points; none is marked: these runs do not record which test images they have right, so chance over images is unknown");
    }

    #[test]
    fn hits_that_are_not_those_of_their_state_are_left_out_and_said() {
        let mut records =
            [0_u8, 1].map(|seed| run("ce", seed.into(), 20, &right(900 + usize::from(seed), |_| false)));
        records[1].per_class = run("ce", 1, 20, &right(700, |_| false)).per_class;
        let results = results(&[&[stage1()][..], &records].concat());
        assert_eq!(chance(&results, "ce").0.images, None);
        let table = (TABLES[0].build)(&[results]).remove(0);
        let caution = table.cautions.last().unwrap().replace(&records[1].run_id, "ID");
        assert_eq!(
            caution,
            "the hits of run ID are left out: the per-class accuracies have accuracy 0.699999988079071, their state has 0.901"
        );
    }
}
