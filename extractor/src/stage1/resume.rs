//! A run that was stopped goes on as if it had not been, and goes on with nothing else.

use super::{
    BEST_FOLDER, CHECKPOINT_FILE, Checkpoint, Judge, LOG_FILE, LossSettings, Recipe, Schedule, Selected,
    TrainOptions, TrainOutcome, train::train_until,
};
use crate::{
    ExtractError,
    backbones::Compute,
    config::Precision,
    datasets::{Dataset, ImageSet, Images, PixelSet},
    threads,
    transform::Transform,
    weights::{Initialisation, Layout, TensorFile},
};
use cache::{ClassId, DatasetInfo};
use std::{num::NonZeroU32, path::Path};
use tch::Device;
use torch::bytes::tensor_bytes;

const EPOCHS: u32 = 3;

/// Images of 8×8 pixels that differ by class: 4 classes, 20 for training (two steps of 8 and one of 4), 4 for the test.
fn dataset() -> Dataset {
    let images = |n: u32| ImageSet {
        images: Images::Memory(PixelSet {
            bytes: (0..n * 192)
                .map(|i| u8::try_from((i / 192 % 4 * 60 + i * i % 41) % 256).unwrap())
                .collect(),
            height: 8,
            width: 8,
        }),
        labels: (0..n).map(|i| ClassId(i % 4)).collect(),
        sample_ids: (0..i64::from(n)).collect(),
    };
    let info = DatasetInfo {
        name: "stripes".to_owned(),
        root_digest: "0".to_owned(),
        subset: "all".to_owned(),
        index_digest: "0".to_owned(),
        ..DatasetInfo::default()
    };
    let class_names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    Dataset { info, class_names, train: images(20), val: None, test: images(4) }
}

fn recipe() -> Recipe {
    Recipe {
        backbone: "resnet18".to_owned(),
        width: 0.25,
        init: Initialisation::Architecture,
        loss: "ce".to_owned(),
        loss_settings: LossSettings::default(),
        epochs: EPOCHS,
        batch_size: 8,
        accumulate: 1,
        lr: 0.05,
        schedule: Schedule::Cosine,
        warm_up: 0,
        momentum: 0.9,
        weight_decay: 5e-3,
        precision: Precision::F32,
        layout: Layout::ChannelsLast,
        seed: 1,
        transform: Transform::CIFAR,
    }
}

fn run_until(
    folder: &Path,
    dataset: &Dataset,
    recipe: &Recipe,
    stop: &dyn Fn(u32, u32) -> bool,
) -> Result<TrainOutcome, ExtractError> {
    let _threads = threads::fixed(1);
    let options =
        TrainOptions { device: Device::Cpu, eval_every: NonZeroU32::MIN, keep_best: Some(Judge::Test) };
    train_until(dataset, recipe, &options, folder, stop)
}

fn run(folder: &Path) -> TrainOutcome {
    run_until(folder, &dataset(), &recipe(), &|_, _| false).unwrap()
}

/// Name and bytes of every tensor in the checkpoint.
fn tensors(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let file = TensorFile::read(&folder.join(CHECKPOINT_FILE)).unwrap();
    let bytes = |name: &str| tensor_bytes(&file.tensor(name).unwrap().unwrap()).unwrap();
    file.names().unwrap().into_iter().map(|name| (name.clone(), bytes(&name))).collect()
}

fn load(folder: &Path) -> Result<Checkpoint, ExtractError> {
    let compute =
        |recipe: &Recipe| Compute { device: Device::Cpu, precision: recipe.precision, layout: recipe.layout };
    Checkpoint::load(folder, compute)
}

fn without_times(outcome: TrainOutcome) -> Vec<super::EpochRecord> {
    let forget = |record| super::EpochRecord { seconds: 0.0, images_per_second: 0.0, ..record };
    outcome.epochs.into_iter().map(forget).collect()
}

#[test]
fn a_run_stopped_anywhere_ends_with_the_same_bits_and_the_same_log() {
    let whole = tempfile::tempdir().unwrap();
    let expected = without_times(run(whole.path()));
    assert_eq!(expected.len(), 3);
    // Before everything, inside an epoch, between epochs, before the last step; and all of them in one run.
    for stops in
        [vec![(0, 0)], vec![(0, 2)], vec![(1, 0)], vec![(2, 2)], vec![(0, 0), (0, 1), (1, 0), (1, 2), (2, 2)]]
    {
        let stopped = tempfile::tempdir().unwrap();
        for stop in &stops {
            let end = run_until(stopped.path(), &dataset(), &recipe(), &|epoch, step| (epoch, step) == *stop);
            assert!(matches!(end, Err(ExtractError::Interrupted { .. })), "{stop:?}: {end:?}");
            let position = load(stopped.path()).unwrap().info.position;
            assert_eq!((position.epochs, position.steps), *stop);
        }
        assert_eq!(without_times(run(stopped.path())), expected, "{stops:?}");
        assert!(tensors(stopped.path()) == tensors(whole.path()), "{stops:?}: checkpoints differ");
    }
}

/// Killed between the line of the log and the checkpoint: the epoch runs again, and its line is there once.
#[test]
fn a_line_without_its_checkpoint_is_written_anew() {
    let whole = tempfile::tempdir().unwrap();
    let expected = without_times(run(whole.path()));
    let killed = tempfile::tempdir().unwrap();
    let _ = run_until(killed.path(), &dataset(), &recipe(), &|epoch, _| epoch == 1);
    let log = std::fs::read_to_string(whole.path().join(LOG_FILE)).unwrap();
    let (at, _) = log.match_indices('\n').nth(1).unwrap();
    let torn = format!("{}\n{{\"epoch\":3,\"lo", &log[..at]);
    std::fs::write(killed.path().join(LOG_FILE), torn).unwrap();
    assert_eq!(without_times(run(killed.path())), expected);
}

/// The kept epoch is the first with the highest accuracy in the log, also of a run that was stopped; it loads as a checkpoint does.
#[test]
fn the_best_epoch_is_kept_beside_the_last() {
    for stops in [vec![], vec![(1, 1), (2, 0)]] {
        let folder = tempfile::tempdir().unwrap();
        for stop in stops {
            let _ = run_until(folder.path(), &dataset(), &recipe(), &|epoch, step| (epoch, step) == stop);
        }
        let epochs = run(folder.path()).epochs;
        let accuracy = |record: &super::EpochRecord| record.test.unwrap().all.unwrap();
        let highest = epochs.iter().map(accuracy).fold(0.0, f64::max);
        let first = epochs.iter().find(|record| accuracy(record) == highest).unwrap();
        let best = load(&folder.path().join(BEST_FOLDER)).unwrap();
        assert_eq!(best.info.position.epochs, first.epoch, "{epochs:?}");
        assert_eq!(best.info.selected, Some(Selected { by: Judge::Test, accuracy: highest }));
        assert_eq!(best.backbone_info().unwrap().recipe["selected"]["by"], "test");
        assert_eq!(load(folder.path()).unwrap().info.selected, None);
    }
}

#[test]
fn the_best_epoch_by_validation_needs_validation_images_and_is_no_other_runs() {
    let run_by = |folder: &Path, dataset: &Dataset, judge| {
        let _threads = threads::fixed(1);
        let options =
            TrainOptions { device: Device::Cpu, eval_every: NonZeroU32::MIN, keep_best: Some(judge) };
        train_until(dataset, &recipe(), &options, folder, &|_, _| false)
    };
    let folder = tempfile::tempdir().unwrap();
    let refused = run_by(folder.path(), &dataset(), Judge::Val).unwrap_err().to_string();
    assert!(refused.contains("no validation images"), "{refused}");
    let split = Dataset { val: Some(dataset().test), ..dataset() };
    let epochs = run_by(folder.path(), &split, Judge::Val).unwrap().epochs;
    assert!(epochs.iter().all(|record| record.val == record.test && record.val.is_some()), "{epochs:?}");
    let best = load(&folder.path().join(BEST_FOLDER)).unwrap();
    assert_eq!(best.info.selected.map(|selected| selected.by), Some(Judge::Val));
    let refused = run_by(folder.path(), &split, Judge::Test).unwrap_err();
    let Err(ExtractError::OtherSettings { differences, .. }) = Err::<(), _>(refused) else {
        panic!("accepted")
    };
    assert_eq!(differences, ["--keep-best: asked for test"]);
    std::fs::remove_dir_all(folder.path().join(BEST_FOLDER)).unwrap();
    let refused = run_by(folder.path(), &split, Judge::Val).unwrap_err().to_string();
    assert!(refused.contains("a run with 3 measured epochs and none kept"), "{refused}");
}

#[test]
fn a_finished_run_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path());
    let bytes = std::fs::read(folder.path().join(CHECKPOINT_FILE)).unwrap();
    let again = run(folder.path());
    assert!(again.was_finished && !first.was_finished);
    assert_eq!(again.epochs, first.epochs);
    assert_eq!(std::fs::read(folder.path().join(CHECKPOINT_FILE)).unwrap(), bytes);
}

#[test]
fn rejects_a_checkpoint_of_other_settings_or_images_and_says_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let _ = run_until(folder.path(), &dataset(), &recipe(), &|_, _| true);
    let refused =
        |dataset: &Dataset, recipe: &Recipe| match run_until(folder.path(), dataset, recipe, &|_, _| true) {
            Err(ExtractError::OtherSettings { differences, .. }) => differences,
            other => panic!("{other:?}"),
        };
    for (expected, other) in [
        ("recipe.lr: there 0.05, asked for 0.1", Recipe { lr: 0.1, ..recipe() }),
        ("recipe.epochs: there 3, asked for 4", Recipe { epochs: 4, ..recipe() }),
        ("recipe.width: there 0.25, asked for 0.5", Recipe { width: 0.5, ..recipe() }),
        ("recipe.seed: there 1, asked for 2", Recipe { seed: 2, ..recipe() }),
        (
            "recipe.precision: there \"f32\", asked for \"bf16\"",
            Recipe { precision: Precision::Bf16, ..recipe() },
        ),
        (
            "recipe.init: there \"architecture\", asked for \"pytorch\"",
            Recipe { init: Initialisation::Pytorch, ..recipe() },
        ),
        (
            "recipe.backbone: there \"resnet18\", asked for \"resnet34\"",
            Recipe { backbone: "resnet34".to_owned(), ..recipe() },
        ),
    ] {
        assert_eq!(refused(&dataset(), &other), [expected]);
    }
    let mut other = dataset();
    "1".clone_into(&mut other.info.index_digest);
    assert_eq!(refused(&other, &recipe()), ["dataset.index_digest: there \"0\", asked for \"1\""]);
    let mut other = dataset();
    other.train.labels[0] = ClassId(1);
    assert_eq!(refused(&other, &recipe()), ["class_counts: there [5,5,5,5], asked for [4,6,5,5]"]);
}

#[test]
fn rejects_a_damaged_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let _ = run_until(folder.path(), &dataset(), &recipe(), &|_, _| true);
    let path = folder.path().join(CHECKPOINT_FILE);
    let whole = std::fs::read(&path).unwrap();
    let malformed = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let resumed = run_until(folder.path(), &dataset(), &recipe(), &|_, _| true);
        assert!(matches!(resumed, Err(ExtractError::Malformed { .. })), "{resumed:?}");
        let Err(ExtractError::Malformed { got, .. }) = load(folder.path()) else { panic!("loaded") };
        got
    };
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        malformed(&whole[..length]);
    }
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len(), "the header keeps its length");
        let at = whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut bytes = whole.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        malformed(&bytes)
    };
    assert_eq!(replaced("\"bn1.weight\"", "\"bn1.height\""), "no `bn1.weight`");
    assert_eq!(
        replaced("format_version\\\":1", "format_version\\\":7"),
        "format version 7, this program reads 1"
    );
    assert_eq!(replaced("\"extractor\":", "\"extradoor\":"), "tensors of another program");
    assert!(replaced("\\\"steps\\\":0", "\\\"steps\\\":-").contains("invalid number"));
}

#[test]
fn a_loss_that_is_no_number_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let diverging = Recipe { lr: 1e30, ..recipe() };
    let end = run_until(folder.path(), &dataset(), &diverging, &|_, _| false);
    let Err(error @ ExtractError::Diverged { epoch: 1, .. }) = end else { panic!("{end:?}") };
    assert_eq!(
        error.to_string(),
        "training diverged in epoch 1: the loss is not finite at learning rate 1e30"
    );
    assert!(!folder.path().join(CHECKPOINT_FILE).exists());
}

/// What the program wrote before losses had settings and schedules names, in the same fields: it loads, means the same, and goes on.
#[test]
fn a_checkpoint_of_the_first_version_loads_and_goes_on() {
    let whole = tempfile::tempdir().unwrap();
    let expected = without_times(run(whole.path()));
    let stopped = tempfile::tempdir().unwrap();
    let _ = run_until(stopped.path(), &dataset(), &recipe(), &|epoch, _| epoch == 1);
    let path = stopped.path().join(CHECKPOINT_FILE);
    let bytes = std::fs::read(&path).unwrap();
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, tensors) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
    let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let info = header["__metadata__"].as_object_mut().unwrap().values_mut().next().unwrap();
    let mut old: serde_json::Value = serde_json::from_str(info.as_str().unwrap()).unwrap();
    let fields = old["recipe"].as_object_mut().unwrap();
    for new in ["loss_settings", "accumulate", "schedule", "warm_up"] {
        assert!(fields.shift_remove(new).is_some(), "{new}");
    }
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "backbone",
            "width",
            "loss",
            "epochs",
            "batch_size",
            "lr",
            "momentum",
            "weight_decay",
            "precision",
            "layout",
            "seed",
            "transform",
        ]
    );
    *info = old.to_string().into();
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let bytes = [&u64::try_from(header.len()).unwrap().to_le_bytes(), header.as_slice(), tensors].concat();
    std::fs::write(&path, bytes).unwrap();
    let loaded = load(stopped.path()).unwrap();
    assert_eq!((loaded.info.recipe, loaded.head.kind), (recipe(), cache::HeadKind::Linear));
    assert_eq!(without_times(run(stopped.path())), expected);
    assert!(self::tensors(stopped.path()) == self::tensors(whole.path()));
}

/// Re-weighting, the step of the learning rate and the warm-up fall into epochs on both sides of the stop.
#[test]
fn every_loss_goes_on_where_it_was_stopped() {
    for loss in super::LOSSES {
        let recipe = Recipe {
            loss: loss.name.to_owned(),
            schedule: Schedule::Step { milestones: vec![0.6], factor: 0.1 },
            warm_up: 1,
            accumulate: 2,
            loss_settings: LossSettings { drw_start: 0.3, ..LossSettings::default() },
            ..recipe()
        };
        let train =
            |folder: &Path, stop: &dyn Fn(u32, u32) -> bool| run_until(folder, &dataset(), &recipe, stop);
        let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let expected = without_times(train(whole.path(), &|_, _| false).unwrap());
        assert!(train(stopped.path(), &|epoch, step| (epoch, step) == (1, 1)).is_err());
        assert_eq!(without_times(train(stopped.path(), &|_, _| false).unwrap()), expected, "{}", loss.name);
        assert!(tensors(stopped.path()) == tensors(whole.path()), "{}", loss.name);
        assert_eq!(load(stopped.path()).unwrap().head.kind, loss.head);
    }
}
