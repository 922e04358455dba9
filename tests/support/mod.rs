//! What the integration tests of both programs share: small caches made on the spot.

use shared::{
    BackboneInfo, BatchNormMode, CacheWriter, ClassCounts, ClassId, DatasetInfo, Dtype, FORMAT_VERSION,
    HeadKind, Manifest, ProgramInfo, Split, Stage1Head, View, ViewId, ViewPlan, random::stream,
};
use std::{collections::BTreeMap, path::Path};

/// Sizes of a synthetic cache.
#[derive(Clone, Debug)]
pub struct SyntheticCache {
    pub class_counts: Vec<u64>,
    pub val_per_class: usize,
    pub test_per_class: usize,
    pub dim: usize,
    pub flipped: bool,
    pub augmented: u32,
    pub stage1_head: bool,
    pub dtype: Dtype,
    pub seed: u64,
    /// Features and head by the formulas of `fixtures/methods/record.py` instead of noise.
    pub formula: bool,
}

impl Default for SyntheticCache {
    fn default() -> Self {
        Self {
            class_counts: vec![120, 60, 30, 12, 6],
            val_per_class: 8,
            test_per_class: 20,
            dim: 12,
            flipped: true,
            augmented: 0,
            stage1_head: true,
            dtype: Dtype::F32,
            seed: 0,
            formula: false,
        }
    }
}

impl SyntheticCache {
    /// Writes the cache: noisy class means, so that classes overlap and re-training matters.
    pub fn write(&self, path: &Path) {
        let classes = self.class_counts.len();
        let mut rng = stream(self.seed, "class means", 0);
        let means: Vec<f32> = (0..classes * self.dim).map(|_| normal(&mut rng)).collect();
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            dataset: DatasetInfo {
                name: "synthetic".into(),
                seed: Some(self.seed),
                ..DatasetInfo::default()
            },
            class_names: (0..classes).map(|class| format!("class {class}")).collect(),
            train_class_counts: ClassCounts::new(self.class_counts.clone()).unwrap(),
            feature_dim: self.dim,
            dtype: self.dtype,
            backbone: BackboneInfo { architecture: "none".into(), ..BackboneInfo::default() },
            transforms: BTreeMap::new(),
            batch_norm: BatchNormMode::Eval,
            program: ProgramInfo::default(),
            created_unix: 0,
            stage1_head: None,
            views: BTreeMap::new(),
        };
        let mut writer = CacheWriter::begin(path, manifest).unwrap();
        let mut plans = Vec::new();
        for split in Split::ALL {
            let counts: Vec<usize> = match split {
                Split::Train => self.class_counts.iter().map(|&n| n as usize).collect(),
                Split::Val => vec![self.val_per_class; classes],
                Split::Test => vec![self.test_per_class; classes],
            };
            if counts.iter().sum::<usize>() == 0 {
                continue;
            }
            let labels: Vec<ClassId> =
                counts.iter().zip(0_u32..).flat_map(|(&n, class)| vec![ClassId(class); n]).collect();
            let mut views = vec![View::Clean];
            views.extend(self.flipped.then_some(View::Flipped));
            if split == Split::Train {
                views.extend((0..self.augmented).map(View::Augmented));
            }
            for view in views {
                let plan = ViewPlan {
                    id: ViewId::new(split, view),
                    sample_ids: (0..labels.len() as i64).collect(),
                    labels: labels.clone(),
                    // Views of a split need not be cut alike.
                    shard_rows: if view == View::Clean { 100 } else { 64 },
                };
                let shards = plan.shards();
                for index in writer.missing_shards(&plan).unwrap() {
                    let rows = shards[index].clone();
                    let mut rng = stream(self.seed, &plan.id.to_string(), index as u64);
                    let mut shard = writer.shard(&plan, index).unwrap();
                    for (i, label) in rows.clone().zip(&labels[rows]) {
                        if self.formula {
                            shard.push(&self.formula_row(i, label.index())).unwrap();
                            continue;
                        }
                        let start = label.index() * self.dim;
                        let row: Vec<f32> = means[start..start + self.dim]
                            .iter()
                            .map(|mean| mean + 1.5 * normal(&mut rng))
                            .collect();
                        shard.push(&row).unwrap();
                    }
                    shard.finish().unwrap();
                }
                plans.push(plan);
            }
        }
        if self.stage1_head {
            // Biased towards the head classes, as a stage-1 head is.
            let mut bias: Vec<f32> =
                self.class_counts.iter().map(|&n| 0.5 * (n.max(1) as f32).ln()).collect();
            let mut weight: Vec<f32> = means.iter().map(|mean| 0.3 * mean).collect();
            if self.formula {
                bias = (0..classes).map(|k| 0.5 - 0.25 * k as f32).collect();
                let at =
                    |k: usize, d: usize| (((k * 29 + d * 71 + k * d * 13) % 97) as f64 / 97.0 - 0.5) as f32;
                weight = (0..classes * self.dim).map(|i| at(i / self.dim, i % self.dim)).collect();
            }
            let head = Stage1Head { classes, dim: self.dim, weight, bias, kind: HeadKind::Linear };
            writer.head(&head).unwrap();
        }
        writer.finish(&plans).unwrap();
    }
}

impl SyntheticCache {
    /// Row i of a view by the formula; its class stands out in every C-th feature.
    fn formula_row(&self, i: usize, class: usize) -> Vec<f32> {
        let noise = |d: usize| ((i * 37 + d * 101 + i * d * 17) % 211) as f64 / 105.5 - 1.0;
        let signal = |d: usize| if d % self.class_counts.len() == class { 1.0 } else { 0.0 };
        (0..self.dim).map(|d| (noise(d) + signal(d)) as f32).collect()
    }
}

/// Standard normal by the sum of twelve uniforms: near enough, and exactly repeatable.
fn normal(rng: &mut impl rand_chacha::rand_core::Rng) -> f32 {
    (0..12).map(|_| rng.next_u32() as f32 / u32::MAX as f32).sum::<f32>() - 6.0
}
