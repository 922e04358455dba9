//! Caches of made-up features: noisy class means, for tests, benches and plans at the size of data sets that are not at hand.
//!
//! Rows go to disk one by one: beside the class means and the labels nothing grows with the number of samples.

use crate::{
    classes::{ClassCounts, ClassId},
    dataset_info::DatasetInfo,
    dtype::Dtype,
    error::CacheError,
    manifest::{BackboneInfo, BatchNormMode, FORMAT_VERSION, HeadKind, Manifest, ProgramInfo},
    plan::ViewPlan,
    stage1_head::Stage1Head,
    steps::Architecture,
    view::{Split, View, ViewId},
    writer::{CacheWriter, Dump, ShardStore},
};
use files::FolderLock;
use longtail::random::stream;
use rand_chacha::rand_core::Rng;
use serde_json::{Value, json};
use std::{collections::BTreeMap, ops::ControlFlow, path::Path};

/// How far samples lie from the mean of their class, in standard deviations of the means.
const SPREAD: f32 = 1.5;

/// What a made-up feature is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pattern {
    /// The class mean and nearly normal noise: the sum of twelve uniform numbers.
    #[default]
    Normal,
    /// The class mean and triangular noise of the same variance: one random word a feature, for large caches.
    Triangular,
    /// A closed form without random numbers that other programs can repeat: with (i, d) the row and the feature,
    /// ((37 i + 101 d + 17 i d) mod 211)/105.5 − 1, plus 1 where d mod C is the class.
    Formula,
}

/// Whether the cache had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synthesised {
    /// It is new, or was continued, and is finished now.
    Now,
    /// It was finished already, with the same settings.
    Before,
    /// The caller stopped it; whole shards stay, and the same call goes on from there.
    Stopped,
}

/// Sizes and contents of a synthetic cache; equal values make equal bytes but for the time in the manifest.
#[derive(Clone, Debug)]
pub struct SyntheticCache {
    /// What the manifest calls the data set.
    pub name: String,
    /// n_k of the training split.
    pub class_counts: Vec<u64>,
    /// Validation samples of each class; 0 leaves the split out.
    pub val_per_class: usize,
    /// Test samples of each class; 0 leaves the split out.
    pub test_per_class: usize,
    /// Features D.
    pub dim: usize,
    /// Whether every split has a flipped view too.
    pub flipped: bool,
    /// Augmented views of the training split.
    pub augmented: u32,
    /// Whether there is a stage-1 head: the class means, with a bias towards large classes.
    pub stage1_head: bool,
    /// How that head makes logits; a cosine head has no bias.
    pub head_kind: HeadKind,
    /// Number format of the features.
    pub dtype: Dtype,
    /// Seed of means and noise.
    pub seed: u64,
    /// What the features are.
    pub pattern: Pattern,
    /// Rows of a shard of a clean view.
    pub clean_shard_rows: usize,
    /// Rows of a shard of the other views: views of a split need not be cut alike.
    pub other_shard_rows: usize,
    /// The program that the manifest names.
    pub program: ProgramInfo,
}

impl Default for SyntheticCache {
    /// Five overlapping classes of 120 … 6 samples, with all splits, flipped views and a head.
    fn default() -> Self {
        Self {
            name: "synthetic".to_owned(),
            class_counts: vec![120, 60, 30, 12, 6],
            val_per_class: 8,
            test_per_class: 20,
            dim: 12,
            flipped: true,
            augmented: 0,
            stage1_head: true,
            head_kind: HeadKind::Linear,
            dtype: Dtype::F32,
            seed: 0,
            pattern: Pattern::Normal,
            clean_shard_rows: 100,
            other_shard_rows: 64,
            program: ProgramInfo::default(),
        }
    }
}

impl SyntheticCache {
    /// Writes the cache, or finishes one that was begun with the same settings.
    ///
    /// # Errors
    /// As [`SyntheticCache::write_while`].
    pub fn write(&self, path: &Path) -> Result<(), CacheError> {
        self.write_while(path, || ControlFlow::Continue(())).map(drop)
    }

    /// Rows of all views: how often [`SyntheticCache::write_while`] asks whether to go on for a new cache.
    pub fn rows(&self) -> u64 {
        let classes = self.class_counts.len() as u64;
        let train = self.class_counts.iter().fold(0_u64, |sum, &n| sum.saturating_add(n));
        let others = classes.saturating_mul(self.val_per_class as u64 + self.test_per_class as u64);
        let both = 1 + u64::from(self.flipped);
        train.saturating_mul(both + u64::from(self.augmented)).saturating_add(others.saturating_mul(both))
    }

    /// As [`SyntheticCache::write`]; `proceed` is called before each row and may stop the work.
    ///
    /// # Errors
    /// [`CacheError::InvalidClassCounts`] where the counts hold no sample or more than memory can name, and those of
    /// [`CacheWriter`].
    pub fn write_while(
        &self,
        path: &Path,
        mut proceed: impl FnMut() -> ControlFlow<()>,
    ) -> Result<Synthesised, CacheError> {
        let too_many = || CacheError::InvalidClassCounts { classes: self.class_counts.len() };
        let plans = self.plans().ok_or_else(too_many)?;
        let manifest = self.manifest()?;
        let _lock = FolderLock::alone(path)?;
        let Dump::Unfinished(writer) = Dump::begin(path, manifest, &plans)? else {
            return Ok(Synthesised::Before);
        };
        let numbers = self.class_counts.len().checked_mul(self.dim).ok_or_else(too_many)?;
        let mut rng = stream(self.seed, "class means", 0);
        let means: Vec<f32> = (0..numbers).map(|_| normal(&mut rng)).collect(); // [C, D]
        for plan in &plans {
            for index in writer.missing_shards(plan)? {
                if self.write_shard(&writer, plan, index, &means, &mut proceed)?.is_break() {
                    return Ok(Synthesised::Stopped);
                }
            }
        }
        if self.stage1_head {
            writer.head(&self.head(means))?;
        }
        writer.finish()?;
        Ok(Synthesised::Now)
    }

    /// Every view of every split that has samples; `None` where they are more than memory can name.
    fn plans(&self) -> Option<Vec<ViewPlan>> {
        let mut plans = Vec::new();
        for split in Split::ALL {
            let labels = self.labels(split)?;
            let views = if labels.is_empty() { Vec::new() } else { self.views(split) };
            plans.extend(views.into_iter().map(|view| ViewPlan {
                id: ViewId::new(split, view),
                sample_ids: (0_i64..).take(labels.len()).collect(),
                labels: labels.clone(),
                shard_rows: if view == View::Clean { self.clean_shard_rows } else { self.other_shard_rows },
            }));
        }
        Some(plans)
    }

    /// One shard; its noise is a stream of its own, so that a continued cache has the same bytes.
    fn write_shard(
        &self,
        writer: &CacheWriter,
        plan: &ViewPlan,
        index: usize,
        means: &[f32],
        proceed: &mut impl FnMut() -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, CacheError> {
        let rows = plan.shards().get(index).cloned().unwrap_or(0..0);
        let mut rng = stream(self.seed, &plan.id.to_string(), index as u64);
        let mut shard = writer.shard(plan, index)?;
        let mut row = vec![0.0; self.dim];
        for (i, label) in plan.labels.iter().enumerate().take(rows.end).skip(rows.start) {
            if proceed().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let class = label.index();
            let means = means.get(class * self.dim..(class + 1) * self.dim).unwrap_or_default();
            match self.pattern {
                Pattern::Normal => add_noise(&mut row, means, || normal(&mut rng)),
                Pattern::Triangular => add_noise(&mut row, means, || triangular(&mut rng)),
                Pattern::Formula => self.formula_row(&mut row, i, class),
            }
            shard.push(&row)?;
        }
        shard.finish()?;
        Ok(ControlFlow::Continue(()))
    }

    /// Samples in class order; `None` where they are more than memory can name.
    fn labels(&self, split: Split) -> Option<Vec<ClassId>> {
        let per_class = match split {
            Split::Train => None,
            Split::Val => Some(self.val_per_class),
            Split::Test => Some(self.test_per_class),
        };
        let mut labels = Vec::new();
        for (&n, class) in self.class_counts.iter().zip(0_u32..) {
            let n = per_class.map_or_else(|| usize::try_from(n).ok(), Some)?;
            labels.try_reserve(n).ok()?;
            labels.extend(std::iter::repeat_n(ClassId(class), n));
        }
        Some(labels)
    }

    fn views(&self, split: Split) -> Vec<View> {
        let augmented = if split == Split::Train { self.augmented } else { 0 };
        let flipped = self.flipped.then_some(View::Flipped);
        std::iter::once(View::Clean).chain(flipped).chain((0..augmented).map(View::Augmented)).collect()
    }

    /// Biased towards large classes, as a stage-1 head is.
    fn head(&self, mut means: Vec<f32>) -> Stage1Head {
        let classes = self.class_counts.len();
        let (weight, bias) = if self.pattern == Pattern::Formula {
            let at = |k: usize, d: usize| narrow(((k * 29 + d * 71 + k * d * 13) % 97) as f64 / 97.0 - 0.5);
            let weight = (0..classes).flat_map(|k| (0..self.dim).map(move |d| at(k, d))).collect();
            (weight, (0..classes).map(|k| 0.5 - 0.25 * k as f32).collect())
        } else {
            for mean in &mut means {
                *mean *= 0.3;
            }
            (means, self.class_counts.iter().map(|&n| 0.5 * (n.max(1) as f32).ln()).collect())
        };
        let bias = if self.head_kind == HeadKind::Cosine { vec![0.0; classes] } else { bias };
        Stage1Head { classes, dim: self.dim, weight, bias, kind: self.head_kind }
    }

    /// Row i of a view by the formula.
    fn formula_row(&self, row: &mut [f32], i: usize, class: usize) {
        for (d, feature) in row.iter_mut().enumerate() {
            let noise = ((i * 37 + d * 101 + i * d * 17) % 211) as f64 / 105.5 - 1.0;
            let signal = if d % self.class_counts.len() == class { 1.0 } else { 0.0 };
            *feature = narrow(noise + signal);
        }
    }

    fn manifest(&self) -> Result<Manifest, CacheError> {
        Ok(Manifest {
            format_version: FORMAT_VERSION,
            dataset: DatasetInfo { name: self.name.clone(), seed: Some(self.seed), ..DatasetInfo::default() },
            class_names: (0..self.class_counts.len()).map(|class| format!("class {class}")).collect(),
            train_class_counts: ClassCounts::new(self.class_counts.clone())?,
            feature_dim: self.dim,
            dtype: self.dtype,
            backbone: BackboneInfo {
                architecture: Architecture::named("none"),
                recipe: self.recipe(),
                ..BackboneInfo::default()
            },
            transforms: BTreeMap::new(),
            batch_norm: BatchNormMode::Eval,
            program: self.program.clone(),
            created_unix: 0,
            stage1_head: None,
            batch_norm_statistics: None,
            images: None,
            views: BTreeMap::new(),
        })
    }

    /// What decides the bytes and has no field in a manifest. The normal pattern records none: recorded fixtures hold it still.
    fn recipe(&self) -> Value {
        if self.pattern == Pattern::Normal {
            return Value::Null;
        }
        json!({
            "source": "synthetic",
            "pattern": format!("{:?}", self.pattern).to_lowercase(),
            "val_per_class": self.val_per_class,
            "test_per_class": self.test_per_class,
            "flipped": self.flipped,
            "augmented": self.augmented,
            "stage1_head": self.stage1_head,
            "shard_rows": [self.clean_shard_rows, self.other_shard_rows],
        })
    }
}

/// Rounds to f32.
#[expect(clippy::cast_possible_truncation, reason = "formulas are computed in f64 and rounded once")]
fn narrow(number: f64) -> f32 {
    number as f32
}

fn add_noise(row: &mut [f32], means: &[f32], mut noise: impl FnMut() -> f32) {
    for (feature, mean) in row.iter_mut().zip(means) {
        *feature = mean + SPREAD * noise();
    }
}

/// Standard normal by the sum of twelve uniforms: near enough, and exactly repeatable.
fn normal(rng: &mut impl Rng) -> f32 {
    (0..12).map(|_| rng.next_u32() as f32 / u32::MAX as f32).sum::<f32>() - 6.0
}

/// Mean 0 and variance 1 by the sum of two uniforms, the halves of one word: √6 (a + b − 1).
fn triangular(rng: &mut impl Rng) -> f32 {
    const SCALE: f32 = 2.449_489_8 / u16::MAX as f32;
    let word = rng.next_u32();
    ((word & 0xffff) + (word >> 16)) as f32 * SCALE - 2.449_489_8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_mean_zero_and_variance_one() {
        // 100,000 draws: the mean is within 4 of its standard deviations 0.0032, the variance within 4 of at most 0.0045.
        let draws: [fn(&mut rand_chacha::ChaCha8Rng) -> f32; 2] = [|rng| normal(rng), |rng| triangular(rng)];
        for draw in draws {
            let mut rng = stream(5, "noise", 0);
            let draws: Vec<f64> = (0..100_000).map(|_| f64::from(draw(&mut rng))).collect();
            let mean = draws.iter().sum::<f64>() / 1e5;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
            assert!(mean.abs() < 0.013 && (variance - 1.0).abs() < 0.018, "{mean} {variance}");
        }
    }

    #[test]
    fn counts_without_a_sample_are_an_error_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        for class_counts in [vec![], vec![0, 0], vec![u64::MAX, 1]] {
            let cache = SyntheticCache { class_counts, ..SyntheticCache::default() };
            assert!(matches!(cache.write(&path), Err(CacheError::InvalidClassCounts { .. })));
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_stopped_cache_goes_on_and_ends_with_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
        let cache = SyntheticCache { pattern: Pattern::Triangular, ..SyntheticCache::default() };
        let mut rows = 0;
        let counted = cache.write_while(&whole, || {
            rows += 1;
            ControlFlow::Continue(())
        });
        assert_eq!((counted.unwrap(), rows), (Synthesised::Now, cache.rows()));
        let mut left = 150;
        let outcome = cache.write_while(&stopped, || {
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(outcome.unwrap(), Synthesised::Stopped);
        assert!(!stopped.join(crate::MANIFEST_FILE).exists());
        let go_on = || cache.write_while(&stopped, || ControlFlow::Continue(())).unwrap();
        assert_eq!((go_on(), go_on()), (Synthesised::Now, Synthesised::Before));
        let key = |path: &Path| crate::FeatureCache::open(path).unwrap().cache_key();
        assert_eq!(key(&whole), key(&stopped));
    }
}
