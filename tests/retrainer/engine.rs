//! Laws of the engine, through its public API.

use cache::head::{Head, HeadForm};
use cache::synthetic::{Pattern, SyntheticCache};
use cache::{ClassId, FeatureCache, HeadKind, Split, View};
use engine::{Data, FittedHead, run_work};
use experiment::{
    methods::{METHODS, Method, Param, Training},
    metrics::{Evaluation, LOGITS_MAGNITUDE, MAGNITUDE_SPREAD, MetricValues, NLL, TOP1},
    plan::{Grid, Precision, Resources, SweepPlan, Work},
    protocol::{Chooser, HeldOut, Protocol, Score},
    spec::{ClosedForm, HeadSpec, Untrained},
};
use program::interrupt::Interrupt;

fn open(synthetic: &SyntheticCache) -> (tempfile::TempDir, FeatureCache) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    synthetic.write(&path).unwrap();
    let cache = FeatureCache::open(&path).unwrap();
    (folder, cache)
}

/// Trains a grid with groups of at most `heads_per_group` heads; results in grid order.
fn train(cache: &FeatureCache, grid: &str, heads_per_group: usize) -> Vec<FittedHead> {
    let grid = Grid::parse("grid.toml", grid).unwrap();
    let bytes = 8 * cache.dim() * cache.class_counts().classes() * heads_per_group;
    let plan =
        SweepPlan::new(&grid, cache, grid.precision, Resources { workers: 1, group_bytes: bytes }).unwrap();
    assert!(plan.work.iter().all(|work| work.heads.len() <= heads_per_group));
    let data = Data::new(cache, tch::Device::Cpu, plan.conditions.test_time_augmentation, true).unwrap();
    let run = |work: Work| run_work(work, &data, &plan.protocols, &Interrupt::never(), &|_| ()).unwrap();
    let mut fitted: Vec<FittedHead> =
        plan.work.into_iter().map(|work| work.prepare(cache.class_counts())).flat_map(run).collect();
    fitted.sort_by_key(|head| grid.points.iter().position(|point| *point == head.task.point));
    fitted
}

fn linear(head: &FittedHead) -> &Head {
    &head.states.get(Protocol::Last).unwrap().test.head
}

fn top1(head: &FittedHead) -> f64 {
    head.states.get(Protocol::Last).unwrap().test.metrics.values.get(TOP1.all).unwrap()
}

fn weights(head: &FittedHead) -> Vec<f64> {
    let linear = linear(head);
    let mut numbers: Vec<f32> = linear.weight.iter().chain(&linear.bias).copied().collect();
    if let HeadForm::Aligned(alignment) = &linear.form {
        numbers.extend(alignment.confidence.iter().chain([&alignment.confidence_bias]));
        numbers.extend(alignment.scale.iter().chain(&alignment.offset));
    }
    numbers.into_iter().map(f64::from).collect()
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

/// Every trained method once, with what the common parameters leave open.
fn every_trained_method() -> String {
    let names = METHODS.iter().filter(|method| method.training == Training::Sgd).map(|method| method.name);
    let tables: Vec<String> = names.map(|name| format!("[[method]]\nname = \"{name}\"\n")).collect();
    tables.concat()
}

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
fn every_method_in_a_group_equals_itself_alone() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let combined = "[[method]]\nname = \"custom\"\ntau = [0.0, 1.0]\ndelta = [0.0, 0.9]\nmax_margin = [0.0, 0.5]\nbeta = 0.99\nthreshold = [0.2, inf]\nproject_every = [\"step\", \"epoch\"]\nclassifier = [\"linear\", \"cosine\"]\n";
    let grid =
        format!("epochs = 2\nbatch_size = 32\nlr = [1e-3, 1e-2]\n{}{combined}", every_trained_method());
    let (together, alone) = (train(&cache, &grid, 64), train(&cache, &grid, 1));
    assert_eq!(together.len(), alone.len());
    for (one, two) in together.iter().zip(&alone) {
        assert_eq!(one.task.point, two.task.point);
        let difference = relative_difference(&weights(one), &weights(two));
        assert!(difference < 2e-5, "{}: {difference}", one.task.point.method.name);
    }
}

/// 8 bits of mantissa in the products move weights a little and accuracies hardly.
#[test]
fn heads_trained_on_bf16_products_are_nearly_those_of_f32() {
    let (_folder, cache) = open(&SyntheticCache { test_per_class: 200, ..SyntheticCache::default() });
    let grid = format!("epochs = 4\nbatch_size = 32\nlr = [1e-3, 3e-2]\n{}", every_trained_method());
    let (full, narrow) =
        (train(&cache, &grid, 64), train(&cache, &format!("precision = \"bf16\"\n{grid}"), 64));
    let (mut accuracy, mut moved) = (0.0_f64, 0);
    for (one, two) in full.iter().zip(&narrow) {
        assert_eq!(one.task.point, two.task.point);
        assert_ne!(one.task.run_id, two.task.run_id);
        let (name, difference) =
            (one.task.point.method.name, relative_difference(&weights(one), &weights(two)));
        assert!(difference < 0.03, "{name}: {difference}");
        moved += usize::from(difference > 1e-6);
        assert!((top1(one) - top1(two)).abs() < 0.02, "{name}: {} {}", top1(one), top1(two));
        accuracy += (top1(one) - top1(two)) / full.len() as f64;
    }
    assert!(accuracy.abs() < 2e-3, "on average {accuracy}");
    // All but those on the fixed stage-1 logits, which have no wide product.
    assert_eq!(moved, full.len() - 6);
}

#[test]
fn a_diverging_head_touches_no_other() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let grid = |lr: &str| format!("epochs = 3\n[[method]]\nname = \"ce\"\nlr = {lr}\n");
    let mixed = train(&cache, &grid("[1e-2, 1e38]"), 64);
    let alone = train(&cache, &grid("1e-2"), 64);
    assert!(mixed[1].diverged_at.is_some() && mixed[1].states.is_empty());
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
    let adjusts = |method: &&&Method| method.neutral.is_some_and(|neutral| neutral.name == "stage1");
    let table = |method: &&Method| {
        let line = |param: Param| Some(format!("{} = {}\n", param.name, param.neutral?));
        let values: String = method.own_params().into_iter().filter_map(line).collect();
        format!("[[method]]\nname = \"{}\"\n{values}", method.name)
    };
    let tables: String = METHODS.iter().filter(adjusts).map(table).collect();
    let heads = train(&cache, &format!("[[method]]\nname = \"stage1\"\n{tables}"), 64);
    assert_eq!(heads.len(), 4);
    for head in &heads[1..] {
        assert_eq!(
            head.states.get(Protocol::Last).unwrap().test.head,
            heads[0].states.get(Protocol::Last).unwrap().test.head
        );
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
    let val =
        |head: &FittedHead| head.states.get(Protocol::Last).unwrap().val.get(Score::Top1).copied().unwrap();
    let test = |head: &FittedHead| {
        head.states.get(Protocol::Last).unwrap().test.metrics.values.get(TOP1.all).unwrap()
    };
    let best = |score: &dyn Fn(&FittedHead) -> f64| stopped.iter().map(score).fold(0.0, f64::max);
    let selected = head.states.get(Protocol::Val).unwrap();
    assert!((selected.val.get(Score::Top1).copied().unwrap() - best(&val)).abs() < 1e-6);
    assert!((val(&stopped[selected.epoch as usize - 1]) - best(&val)).abs() < 1e-6);
    let on_test = head.states.get(Protocol::BestOnTest).unwrap();
    assert!((on_test.test.metrics.values.get(TOP1.all).unwrap() - best(&test)).abs() < 1e-6);
    assert!((test(&stopped[on_test.epoch as usize - 1]) - best(&test)).abs() < 1e-6);
}

/// The 40 validation samples are 8 of each class: an accuracy is a count of 40, and many epochs have the same.
#[test]
fn accuracies_after_epochs_are_exact_fractions_and_the_earliest_of_equal_epochs_is_chosen() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let grid = "epochs = 12\nbatch_size = 16\nlr = [1e-3, 1e-2, 3e-2]\n[[method]]\nname = \"ce\"\n[[method]]\nname = \"lort\"\n";
    let (val, test) = (cache.labels(Split::Val).len() as f64, cache.labels(Split::Test).len() as f64);
    let mut ties = 0;
    for head in train(&cache, grid, 64) {
        let curve = |split| head.curve.get(Chooser { split, score: Score::Top1 }).unwrap();
        for (scores, samples, protocol) in
            [(curve(HeldOut::Val), val, Protocol::Val), (curve(HeldOut::Test), test, Protocol::BestOnTest)]
        {
            assert_eq!(scores.len(), 12);
            for score in scores {
                assert_eq!(*score, (score * samples).round() / samples);
            }
            let best = scores.iter().copied().fold(0.0, f64::max);
            let first = scores.iter().position(|&score| score == best).unwrap() + 1;
            assert_eq!(head.states.get(protocol).unwrap().epoch as usize, first, "{scores:?}");
            ties += scores.iter().filter(|&&score| score == best).count() - 1;
        }
        let on_test = head.states.get(Protocol::BestOnTest).unwrap();
        assert_eq!(
            on_test.test.metrics.values.get(TOP1.all),
            curve(HeldOut::Test).get(on_test.epoch as usize - 1).copied()
        );
    }
    assert!(ties > 0, "no two epochs are equal");
}

/// Recorded by `fixtures/methods/record.py`: float64, autograd, `torch.optim.SGD`; five full-batch epochs from the stage-1 head.
#[test]
fn full_batch_training_of_every_method_equals_pytorch_in_float64() {
    let synthetic = SyntheticCache {
        class_counts: vec![24, 12, 6, 3],
        dim: 6,
        flipped: false,
        pattern: Pattern::Formula,
        ..SyntheticCache::default()
    };
    let (_folder, cache) = open(&synthetic);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/methods/reference.json");
    let reference: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let recorded: Vec<&str> = reference.iter().map(|case| case["method"].as_str().unwrap()).collect();
    for method in METHODS.iter().filter(|method| method.training == Training::Sgd) {
        assert!(recorded.contains(&method.name), "`{}` has no reference", method.name);
    }
    for case in &reference {
        let name = case["method"].as_str().unwrap();
        let grid = format!(
            "epochs = 5\nbatch_size = 100000\nlr = 0.1\nweight_decay = 1e-2\n[[method]]\nname = \"{name}\"\n{}",
            case["grid"].as_str().unwrap()
        );
        let numbers = |part: &str| -> Vec<f64> {
            case[part].as_array().into_iter().flatten().map(|number| number.as_f64().unwrap()).collect()
        };
        let parts = ["weight", "bias", "confidence", "confidence_bias", "scale", "offset"];
        let expected = parts.map(numbers).concat();
        let got = weights(&train(&cache, &grid, 64)[0]);
        assert_eq!(got.len(), expected.len(), "{name}");
        let difference = relative_difference(&expected, &got);
        assert!(difference < 1e-4, "{name}: {difference}");
    }
}

#[test]
fn heads_on_fixed_stage_1_logits_start_as_the_stage_1_head() {
    let (_folder, cache) = open(&SyntheticCache::default());
    // One view: a mean of two views, each with a confidence of its own, may rank otherwise.
    let still = "test_time_augmentation = false\nepochs = 1\nlr = 1e-30\n[[method]]\nname = \"stage1\"\n[[method]]\nname = \"lws\"\n[[method]]\nname = \"disalign\"\n[[method]]\nname = \"marc\"\n";
    let heads = train(&cache, still, 64);
    assert_eq!(linear(&heads[1]), linear(&heads[0]));
    assert_eq!(linear(&heads[3]), linear(&heads[0]));
    // DisAlign scales all logits of a sample alike at first: the ranking is that of the stage-1 head.
    assert_eq!(top1(&heads[2]), top1(&heads[0]));
}

#[test]
fn learnable_weight_scaling_scales_the_bias_too() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let heads = train(&cache, "[[method]]\nname = \"stage1\"\n[[method]]\nname = \"lws\"\nlr = 0.01\n", 64);
    let (base, scaled) = (linear(&heads[0]), linear(&heads[1]));
    for class in 0..base.classes {
        let factor = scaled.bias[class] / base.bias[class];
        assert!((factor - 1.0).abs() > 1e-4);
        for d in 0..base.dim {
            let index = class * base.dim + d;
            assert!((scaled.weight[index] - factor * base.weight[index]).abs() < 1e-5);
        }
    }
}

#[test]
fn without_a_bound_max_norm_is_cross_entropy_and_with_one_no_weight_is_longer() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let grid = "epochs = 3\nbatch_size = 16\nlr = 0.1\n[[method]]\nname = \"stage1\"\n[[method]]\nname = \"ce\"\n[[method]]\nname = \"max-norm\"\nthreshold = [inf, 0.1]\nproject_every = [\"epoch\", \"step\"]\n";
    let heads = train(&cache, grid, 64);
    // Axes vary in the order of their names, the last fastest.
    let [stage1, ce, free_epoch, epoch, free_step, step] = heads.as_slice() else { panic!() };
    assert!(relative_difference(&weights(ce), &weights(free_epoch)) < 1e-6);
    assert!(relative_difference(&weights(ce), &weights(free_step)) < 1e-6);
    // LTWB's rule: a tenth of the way from the shortest to the longest stage-1 weight vector.
    let norms = linear(stage1).norms();
    let (min, max) = norms.iter().fold((f64::INFINITY, 0.0_f64), |(min, max), &n| (min.min(n), max.max(n)));
    let bound = min + 0.1 * (max - min);
    assert!(linear(ce).norms().iter().any(|&norm| norm > 1.01 * bound));
    for head in [epoch, step] {
        assert!(linear(head).norms().iter().all(|&norm| norm < 1.000_01 * bound));
    }
    assert!(relative_difference(&weights(epoch), &weights(step)) > 1e-3);
}

#[test]
fn deferred_weights_apply_from_their_epoch_on() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let grid = |method: &str| {
        format!("epochs = 4\nbatch_size = 32\nlr = 0.01\nschedule = \"constant\"\n[[method]]\n{method}\n")
    };
    let of = |method: &str| weights(&train(&cache, &grid(method), 64)[0]);
    let ldam = of("name = \"ldam\"");
    assert_eq!(of("name = \"ldam-drw\"\ndrw_start = 1.0"), ldam);
    let late = of("name = \"ldam-drw\"\ndrw_start = 0.75");
    let always = of("name = \"ldam-drw\"\ndrw_start = 0.0");
    assert!(relative_difference(&ldam, &late) > 1e-5);
    assert!(relative_difference(&always, &late) > 1e-5);
    let custom = "name = \"custom\"\nclassifier = \"cosine\"\nscale = 30\nmax_margin = 0.5\nbeta = 0.9999\nweight_from = 0.75";
    assert!(relative_difference(&of(custom), &late) < 1e-6);
}

/// Accuracy of a linear head in f64, averaging the logits of both views: written anew, without the engine.
fn accuracy(cache: &FeatureCache, logits: &dyn Fn(&[f32]) -> Vec<f64>) -> f64 {
    let classes = cache.class_counts().classes();
    let (mut hits, mut counts) = (vec![0.0; classes], vec![0.0; classes]);
    let mut row = vec![0.0_f32; cache.dim()];
    for (index, label) in cache.labels(Split::Test).iter().enumerate() {
        let mut sum = vec![0.0; classes];
        for view in [View::Clean, View::Flipped] {
            cache.view(Split::Test, view).unwrap().read_rows(index..index + 1, &mut row).unwrap();
            sum.iter_mut().zip(logits(&row)).for_each(|(sum, z)| *sum += z);
        }
        let best = (0..classes).max_by(|&a, &b| sum[a].total_cmp(&sum[b])).unwrap();
        counts[label.index()] += 1.0;
        hits[label.index()] += f64::from(u8::from(best == label.index()));
    }
    hits.iter().zip(counts).map(|(hits, count)| hits / count).sum::<f64>() / classes as f64
}

fn dot(one: &[f64], two: &[f64]) -> f64 {
    one.iter().zip(two).map(|(a, b)| a * b).sum()
}

fn train_features(cache: &FeatureCache) -> Vec<Vec<f64>> {
    let (n, d) = (cache.labels(Split::Train).len(), cache.dim());
    let mut features = vec![0.0_f32; n * d];
    cache.view(Split::Train, View::Clean).unwrap().read_rows(0..n, &mut features).unwrap();
    features.chunks(d).map(|row| row.iter().map(|&f| f64::from(f)).collect()).collect()
}

fn unit(row: &[f64]) -> Vec<f64> {
    let length = dot(row, row).sqrt();
    row.iter().map(|x| x / length).collect()
}

fn means(rows: &[Vec<f64>], labels: &[ClassId], classes: usize) -> Vec<Vec<f64>> {
    let mut means = vec![vec![0.0; rows[0].len()]; classes];
    let count = |class: usize| labels.iter().filter(|label| label.index() == class).count() as f64;
    for (row, label) in rows.iter().zip(labels) {
        means[label.index()].iter_mut().zip(row).for_each(|(mean, x)| *mean += x / count(label.index()));
    }
    means
}

#[test]
fn nearest_class_means_are_nearest_in_each_distance() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let heads = train(&cache, "[[method]]\nname = \"ncm\"\ndistance = [\"l2\", \"cosine\", \"cl2n\"]\n", 64);
    let (rows, labels) = (train_features(&cache), cache.labels(Split::Train));
    let classes = cache.class_counts().classes();
    let wide = |row: &[f32]| -> Vec<f64> { row.iter().map(|&f| f64::from(f)).collect() };
    let near = |f: &[f64], means: &[Vec<f64>]| -> Vec<f64> {
        means.iter().map(|mean| dot(f, mean) - dot(mean, mean) / 2.0).collect()
    };
    let plain = means(&rows, labels, classes);
    let l2 = accuracy(&cache, &|row| near(&wide(row), &plain));
    let units: Vec<Vec<f64>> = rows.iter().map(|row| unit(row)).collect();
    let directions: Vec<Vec<f64>> = means(&units, labels, classes).iter().map(|mean| unit(mean)).collect();
    let cosine =
        accuracy(&cache, &|row| directions.iter().map(|mean| dot(&unit(&wide(row)), mean)).collect());
    let centre = means(&rows, &vec![ClassId(0); rows.len()], 1).remove(0);
    let centred = |row: &[f64]| unit(&row.iter().zip(&centre).map(|(x, c)| x - c).collect::<Vec<_>>());
    let moved: Vec<Vec<f64>> = rows.iter().map(|row| centred(row)).collect();
    let centred_means = means(&moved, labels, classes);
    let cl2n = accuracy(&cache, &|row| near(&centred(&wide(row)), &centred_means));
    let got: Vec<f64> = heads.iter().map(top1).collect();
    for (got, expected) in got.iter().zip([l2, cosine, cl2n]) {
        assert!((got - expected).abs() < 1e-9, "{got} {expected}");
    }
    // Logits by l2 are minus half the squared distance; what all classes share counts in the magnitude alone.
    let distance = |f: &[f32], mean: &[f64]| -> f64 {
        -wide(f).iter().zip(mean).map(|(x, m)| (x - m).powi(2)).sum::<f64>() / 2.0
    };
    let metrics = metrics(&cache, &|row| plain.iter().map(|mean| distance(row, mean)).collect::<Vec<f64>>());
    let measured = &heads[0].states.get(Protocol::Last).unwrap().test.metrics.values;
    for (metric, tolerance) in
        [(LOGITS_MAGNITUDE.all, 1e-4), (MAGNITUDE_SPREAD, 1e-4), (NLL, 1e-4), (TOP1.all, 1e-9)]
    {
        let (got, expected) = (measured.get(metric).unwrap(), metrics.get(metric).unwrap());
        assert!(
            (got - expected).abs() < tolerance * expected.abs().max(1.0),
            "{}: {got} {expected}",
            metric.name
        );
    }
    let head = linear(&heads[0]);
    assert_eq!(head.form, HeadForm::Distance);
    let without = Head { form: HeadForm::Linear, ..head.clone() };
    // The mean over classes of one size does not see it; its spread does.
    let spread = |head: &Head| self::metrics(&cache, &|row| head.logits(row)).get(MAGNITUDE_SPREAD).unwrap();
    assert!((spread(head) - metrics.get(MAGNITUDE_SPREAD).unwrap()).abs() < 1e-4);
    assert!((spread(&without) - spread(head)).abs() > 1e-3);
}

/// Metrics of logits in f64 on the test split, averaging those of both views.
fn metrics(cache: &FeatureCache, logits: &dyn Fn(&[f32]) -> Vec<f64>) -> MetricValues {
    let mut evaluation = Evaluation::new(cache.class_counts());
    let mut row = vec![0.0_f32; cache.dim()];
    for (index, label) in cache.labels(Split::Test).iter().enumerate() {
        let mut mean = vec![0.0_f64; cache.class_counts().classes()];
        for view in [View::Clean, View::Flipped] {
            cache.view(Split::Test, view).unwrap().read_rows(index..index + 1, &mut row).unwrap();
            mean.iter_mut().zip(logits(&row)).for_each(|(mean, logit)| *mean += logit / 2.0);
        }
        let narrow: Vec<f32> = mean.iter().map(|&logit| logit as f32).collect();
        evaluation.update(&narrow, std::slice::from_ref(label)).unwrap();
    }
    evaluation.finish().values
}

#[test]
fn the_measured_accuracy_of_a_cosine_head_is_that_of_its_exported_weights() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let head =
        train(&cache, "epochs = 3\nlr = 0.1\n[[method]]\nname = \"cosine\"\nscale = 7\n", 64).remove(0);
    let weights = linear(&head);
    assert_eq!(weights.form, HeadForm::UnitFeatures { centre: Vec::new() });
    assert!(weights.norms().iter().all(|norm| (norm - 7.0).abs() < 1e-4));
    // Logits of both views are averaged, not features: the mean of directions is no direction.
    let expected = accuracy(&cache, &|row| {
        let f = unit(&row.iter().map(|&f| f64::from(f)).collect::<Vec<_>>());
        let rows = weights.weight.chunks(cache.dim());
        rows.map(|w| w.iter().zip(&f).map(|(&w, f)| f64::from(w) * f).sum()).collect()
    });
    assert!((top1(&head) - expected).abs() < 1e-9);
}

/// s cos(w_k, f) with the stage-1 rows of a cache.
fn cosines(cache: &FeatureCache, row: &[f32]) -> Vec<f64> {
    let wide = |row: &[f32]| unit(&row.iter().map(|&w| f64::from(w)).collect::<Vec<_>>());
    let f = wide(row);
    cache.stage1_head().unwrap().weight.chunks(cache.dim()).map(|w| dot(&wide(w), &f)).collect()
}

#[test]
fn on_a_cosine_stage_1_head_its_own_accuracy_is_where_every_method_starts() {
    let (_folder, cache) = open(&SyntheticCache { head_kind: HeadKind::Cosine, ..SyntheticCache::default() });
    let names = ["stage1", "tau-norm", "ce", "lort", "cosine", "ldam", "lws", "disalign", "max-norm"];
    let tables = names.map(|name| format!("[[method]]\nname = \"{name}\"\n")).concat();
    // One view: means of two views are means of logits for cosines and of features for linear heads.
    let still = format!("test_time_augmentation = false\nepochs = 1\nlr = 1e-30\nweight_decay = 0\n{tables}");
    let test = cache.view(Split::Test, View::Clean).unwrap();
    let (mut row, mut hits) = (vec![0.0; cache.dim()], vec![(0.0, 0.0); cache.class_counts().classes()]);
    for (i, label) in cache.labels(Split::Test).iter().enumerate() {
        test.read_rows(i..i + 1, &mut row).unwrap();
        let z = cosines(&cache, &row);
        let best = (0..z.len()).max_by(|&a, &b| z[a].total_cmp(&z[b])).unwrap();
        let (right, all) = &mut hits[label.index()];
        *right += f64::from(u8::from(best == label.index()));
        *all += 1.0;
    }
    let expected = hits.iter().map(|(right, all)| right / all).sum::<f64>() / hits.len() as f64;
    for head in train(&cache, &still, 64) {
        let name = head.task.point.method.name;
        // The bound of MaxNorm is the length that all linear rows start with.
        assert!((top1(&head) - expected).abs() < 1e-9, "{name}: {} {expected}", top1(&head));
    }
}

#[test]
fn every_method_trains_on_a_cosine_stage_1_head_as_it_evaluates() {
    let (_folder, cache) = open(&SyntheticCache { head_kind: HeadKind::Cosine, ..SyntheticCache::default() });
    let grid = format!("epochs = 2\nbatch_size = 32\nlr = 1e-2\n{}", every_trained_method());
    for head in train(&cache, &grid, 64) {
        // The exported weights, in f64 and by their own formula, are as good as the engine says.
        let expected = accuracy(&cache, &|row| linear(&head).logits(row));
        let name = head.task.point.method.name;
        assert!((top1(&head) - expected).abs() < 1e-9, "{name}: {} {expected}", top1(&head));
    }
}

/// At the minimum the gradient vanishes: (1/N) Σ (W f + b − 1_y) fᵀ + λ W = 0 and (1/N) Σ (W f + b − 1_y) = 0.
#[test]
fn ridge_heads_are_where_the_gradient_vanishes() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let heads = train(&cache, "[[method]]\nname = \"ridge\"\nlambda = [0.01, 1.0, 100.0]\n", 64);
    let (rows, labels) = (train_features(&cache), cache.labels(Split::Train));
    let (classes, dim, n) = (cache.class_counts().classes(), cache.dim(), rows.len() as f64);
    for head in &heads {
        let HeadSpec::Untrained(Untrained::ClosedForm(ClosedForm::Ridge { lambda, .. })) =
            head.task.point.params.build(cache.class_counts())
        else {
            panic!()
        };
        let w = weights(head);
        for class in 0..classes {
            let row = &w[class * dim..(class + 1) * dim];
            let mut gradient: Vec<f64> = row.iter().map(|w| lambda * w).collect();
            let mut by_bias = 0.0;
            for (f, label) in rows.iter().zip(labels) {
                let target = f64::from(u8::from(label.index() == class));
                let residual = (dot(row, f) + w[classes * dim + class] - target) / n;
                by_bias += residual;
                gradient.iter_mut().zip(f).for_each(|(g, f)| *g += residual * f);
            }
            assert!(
                by_bias.abs() < 1e-6 && gradient.iter().all(|g| g.abs() < 1e-5),
                "λ {lambda}: {gradient:?}"
            );
        }
    }
}

#[test]
fn a_second_correction_and_a_learning_rate_of_another_batch_are_warnings() {
    let (_folder, cache) = open(&SyntheticCache::default());
    let warnings = |methods: &str| {
        let grid = Grid::parse("grid.toml", methods).unwrap();
        SweepPlan::new(&grid, &cache, Precision::F32, Resources { workers: 1, group_bytes: 1 << 20 })
            .unwrap()
            .warnings
    };
    let twice = warnings(
        "sampler = [\"class-aware\", \"power\"]\nlr = [1e-3, 1e-2]\n[[method]]\nname = \"balanced-softmax\"\n[[method]]\nname = \"cb-ce\"\n[[method]]\nname = \"lort\"\n",
    );
    assert_eq!(
        twice,
        ["balanced-softmax", "cb-ce"].map(|name| format!(
            "`{name}` corrects for class sizes twice: by its class-balancing sampler and by its loss"
        ))
    );
    // A published learning rate goes with its batch.
    assert_eq!(
        warnings("batch_size = 64\n[[method]]\nname = \"lws\"\nlr = [0.1, 0.2]\n[[method]]\nname = \"ce\"\n"),
        [
            "`lws` has its published learning rate 0.2, which is for batches of 512, at batches of 64: by the linear rule it \
          would be 0.025"
        ]
    );
    assert!(
        warnings(
            "[[method]]\nname = \"crt\"\n[[method]]\nname = \"re-sampling\"\n[[method]]\nname = \"lws\"\n"
        )
        .is_empty()
    );
    // q = 1 draws classes as they are.
    assert!(warnings("sampler = \"power\"\nq = 1\n[[method]]\nname = \"balanced-softmax\"\n").is_empty());
}
