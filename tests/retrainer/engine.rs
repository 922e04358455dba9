//! Laws of the engine, through its public API.

use crate::support::SyntheticCache;
use retrainer::{
    plan::{Grid, Resources, SweepPlan, Work},
    train::{Data, FittedHead, StateKind, run_work},
};
use shared::{ClassId, FeatureCache, Split, View, interrupt::Interrupt};

fn open(synthetic: &SyntheticCache) -> (tempfile::TempDir, FeatureCache) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    synthetic.write(&path);
    let cache = FeatureCache::open(&path).unwrap();
    (folder, cache)
}

/// Trains a grid with groups of at most `heads_per_group` heads; results in grid order.
fn train(cache: &FeatureCache, grid: &str, heads_per_group: usize) -> Vec<FittedHead> {
    let grid = Grid::parse("grid.toml", grid).unwrap();
    let bytes = 8 * cache.dim() * cache.class_counts().classes() * heads_per_group;
    let plan = SweepPlan::new(&grid, cache, "f32", Resources { workers: 1, group_bytes: bytes }).unwrap();
    assert!(plan.work.iter().all(|work| work.heads() <= heads_per_group));
    let data = Data::new(cache, tch::Device::Cpu, plan.test_time_augmentation, true).unwrap();
    let run = |work: Work| run_work(work, &data, &Interrupt::never(), &|_| ()).unwrap();
    let mut fitted: Vec<FittedHead> = plan.work.into_iter().flat_map(run).collect();
    fitted.sort_by_key(|head| grid.points.iter().position(|point| *point == head.task.point));
    fitted
}

fn weights(head: &FittedHead) -> Vec<f64> {
    let linear = &head.state(StateKind::Last).unwrap().head;
    linear.weight.iter().chain(&linear.bias).map(|&w| f64::from(w)).collect()
}

fn relative_difference(one: &[f64], two: &[f64]) -> f64 {
    let largest = one.iter().fold(1e-30_f64, |largest, w| largest.max(w.abs()));
    one.iter().zip(two).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
}

const MIXED: &str = r#"
seeds = [0, 1]
epochs = 3
batch_size = 16
lr = [1e-3, 3e-2]
weight_decay = [0.0, 1e-2]
[[method]]
name = "ce"
[[method]]
name = "lort"
[[method]]
name = "focal"
[[method]]
name = "cb-ce"
reduction = ["weighted-mean", "batch-mean", "element-mean"]
[[method]]
name = "balanced-softmax"
init = "fresh"
decay_bias = false
"#;

#[test]
fn a_head_in_a_group_equals_the_head_alone() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let (together, alone) = (train(&cache, MIXED, 64), train(&cache, MIXED, 1));
    assert_eq!(together.len(), 2 * 4 * 7);
    for (one, two) in together.iter().zip(&alone) {
        assert_eq!(one.task.point, two.task.point);
        let difference = relative_difference(&weights(one), &weights(two));
        assert!(difference < 1e-5, "{}: {difference}", one.task.point.method.name);
    }
}

#[test]
fn a_diverging_head_touches_no_other() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let grid = |lr: &str| format!("epochs = 3\n[[method]]\nname = \"ce\"\nlr = {lr}\n");
    let mixed = train(&cache, &grid("[1e-2, 1e38]"), 64);
    let alone = train(&cache, &grid("1e-2"), 64);
    assert!(mixed[1].diverged_at.is_some() && mixed[1].last.is_none());
    assert!(mixed[0].diverged_at.is_none());
    assert!(relative_difference(&weights(&mixed[0]), &weights(&alone[0])) < 1e-5);
}

/// Full-batch descent with momentum and decay, written plainly in f64.
fn reference(cache: &FeatureCache, delta: f64, lr: f64, decay: f64, epochs: usize) -> Vec<f64> {
    let (n, d) = (cache.labels(Split::Train).len(), cache.dim());
    let c = cache.class_counts().classes();
    let mut features = vec![0.0_f32; n * d];
    cache.view(Split::Train, View::Clean).unwrap().read_rows(0..n, &mut features).unwrap();
    let labels: Vec<ClassId> = cache.labels(Split::Train).to_vec();
    let head = cache.stage1_head().unwrap();
    let mut w: Vec<f64> = head.weight.iter().chain(&head.bias).map(|&w| f64::from(w)).collect();
    let mut momentum = vec![0.0; w.len()];
    for epoch in 0..epochs {
        let rate = lr * 0.5 * (1.0 + (std::f64::consts::PI * epoch as f64 / epochs as f64).cos());
        let mut gradient: Vec<f64> = w.iter().map(|w| decay * w).collect();
        for (row, label) in features.chunks(d).zip(&labels) {
            let z: Vec<f64> = (0..c)
                .map(|k| {
                    w[c * d + k]
                        + row.iter().enumerate().map(|(i, &f)| w[k * d + i] * f64::from(f)).sum::<f64>()
                })
                .collect();
            let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
            for k in 0..c {
                let target = delta / c as f64 + if k == label.index() { 1.0 - delta } else { 0.0 };
                let g = ((z[k] - max).exp() / sum - target) / n as f64;
                gradient[c * d + k] += g;
                for (i, &f) in row.iter().enumerate() {
                    gradient[k * d + i] += g * f64::from(f);
                }
            }
        }
        for ((w, m), g) in w.iter_mut().zip(&mut momentum).zip(&gradient) {
            *m = 0.9 * *m + g;
            *w -= rate * *m;
        }
    }
    w
}

#[test]
fn full_batch_training_equals_plain_descent_in_f64() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let grid = "epochs = 5\nbatch_size = 100000\nlr = 0.1\nweight_decay = 1e-2\n[[method]]\nname = \"lort\"\ndelta = [0.0, 0.98]\n";
    for (head, delta) in train(&cache, grid, 64).iter().zip([0.0, 0.98]) {
        let difference = relative_difference(&reference(&cache, delta, 0.1, 1e-2, 5), &weights(head));
        assert!(difference < 1e-5, "delta {delta}: {difference}");
    }
}

#[test]
fn adjusted_heads_at_neutral_values_are_the_stage_1_head() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let grid = "[[method]]\nname = \"stage1\"\n[[method]]\nname = \"tau-norm\"\ntau = 0\n[[method]]\nname = \"logit-adjustment\"\ntau = 0\n";
    let heads = train(&cache, grid, 64);
    for head in &heads[1..] {
        assert_eq!(head.state(StateKind::Last).unwrap().head, heads[0].state(StateKind::Last).unwrap().head);
    }
}

#[test]
fn the_chosen_epochs_are_the_best_of_their_splits() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let grid = "epochs = 6\nbatch_size = 16\nlr = 3e-2\nschedule = \"constant\"\n[[method]]\nname = \"ce\"\n";
    let head = &train(&cache, grid, 64)[0];
    // The same run, stopped after each number of epochs, has the same weights then: the learning rate is constant.
    let stopped: Vec<FittedHead> = (1..=6)
        .map(|epochs| train(&cache, &grid.replace("epochs = 6", &format!("epochs = {epochs}")), 64).remove(0))
        .collect();
    let val = |head: &FittedHead| head.state(StateKind::Last).unwrap().val_top1.unwrap();
    let test = |head: &FittedHead| head.state(StateKind::Last).unwrap().test.values.get("top1.all").unwrap();
    let best = |score: &dyn Fn(&FittedHead) -> f64| stopped.iter().map(score).fold(0.0, f64::max);
    let selected = head.state(StateKind::ValSelected).unwrap();
    assert!((selected.val_top1.unwrap() - best(&val)).abs() < 1e-6);
    assert!((val(&stopped[selected.epoch - 1]) - best(&val)).abs() < 1e-6);
    let on_test = head.state(StateKind::BestOnTest).unwrap();
    assert!((on_test.test.values.get("top1.all").unwrap() - best(&test)).abs() < 1e-6);
    assert!((test(&stopped[on_test.epoch - 1]) - best(&test)).abs() < 1e-6);
}
