//! `extractor train`: runs that cannot go on say why, and threads wait for each other without spinning.

use crate::{
    images::cifar10,
    program::{Workplace, files},
};
use std::{
    process::Stdio,
    time::{Duration, Instant},
};

const TRAIN: &str =
    "train --dataset cifar10 --data data --device cpu --backbone resnet18 --width 0.25 --batch-size 16";

/// A folder with 50 images and one epoch trained on them.
fn trained() -> Workplace {
    let place = Workplace::new();
    cifar10(&place, "data", 5, 1);
    place.ok(&format!("{TRAIN} --threads 1 --epochs 1 --out base"));
    place
}

#[test]
fn a_checkpoint_of_other_settings_or_images_is_not_continued() {
    let place = trained();
    let before = std::fs::read(place.path("base/checkpoint.safetensors")).unwrap();
    let refused = |more: &str| place.refused(&format!("{TRAIN} --threads 1 --out base {more}"));
    insta::assert_snapshot!(refused("--epochs 2 --lr 0.1 --weight-decay 0"), @"
    exit 2
    50 training images, 10 test images, 10 classes
    error: `base/checkpoint.safetensors` was made with other settings: recipe.epochs: there 1, asked for 2; recipe.lr: there 0.01, asked for 0.1; recipe.weight_decay: there 0.005, asked for 0.0
    hint: give the same settings to continue it, another `--out`, or remove it first
    ");
    cifar10(&place, "data", 10, 1);
    insta::assert_snapshot!(refused("--epochs 1 --imbalance-ratio 5"), @r#"
    exit 2
    46 training images, 10 test images, 10 classes
    error: `base/checkpoint.safetensors` was made with other settings: other files of the data set, by names, labels, sizes or contents; dataset.subset: there "all", asked for "first-n"; dataset.imbalance_ratio: there null, asked for 5.0; dataset.n_max: there null, asked for 10; other training images; other numbers of images of the classes
    hint: give the same settings to continue it, another `--out`, or remove it first
    "#);
    assert_eq!(std::fs::read(place.path("base/checkpoint.safetensors")).unwrap(), before);
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let place = trained();
    let whole = std::fs::read(place.path("base/checkpoint.safetensors")).unwrap();
    place.write("base/checkpoint.safetensors", &whole[..whole.len() - 1]);
    let line = format!("{TRAIN} --threads 1 --epochs 1 --out base");
    insta::assert_snapshot!(place.refused(&line), @"
    exit 2
    50 training images, 10 test images, 10 classes
    error: `base/checkpoint.safetensors`: expected a safetensors file, got incomplete metadata, file not fully covered
    hint: the file is damaged or of another format: write it again
    ");
    let line = "dump --checkpoint base --dataset cifar10 --data data --device cpu --threads 1 --out cache";
    insta::assert_snapshot!(place.refused(line), @"
    exit 2
    error: `base/checkpoint.safetensors`: expected a safetensors file, got incomplete metadata, file not fully covered
    hint: the file is damaged or of another format: write it again
    ");
}

#[test]
fn a_loss_that_is_no_number_is_an_error() {
    let place = Workplace::new();
    cifar10(&place, "data", 5, 1);
    let line = format!("{TRAIN} --threads 1 --epochs 2 --lr 1e30 --out base");
    insta::assert_snapshot!(place.refused(&line), @"
    exit 2
    50 training images, 10 test images, 10 classes
    error: training diverged in epoch 1: the loss is not finite at learning rate 1e30
    hint: a smaller `--lr` is steadier
    ");
}

/// Whether the program runs with short spins before it ends.
#[cfg(target_os = "linux")]
fn restarts(place: &Workplace, threads: u32, variable: Option<(&str, &str)>) -> bool {
    let mut command =
        place.command(&format!("{TRAIN} --threads {threads} --epochs 1 --out threads-{threads}"));
    command.env_remove("GOMP_SPINCOUNT").env_remove("OMP_WAIT_POLICY").envs(variable);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let environment = format!("/proc/{}/environ", child.id());
    let (started, mut found) = (Instant::now(), false);
    while child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(120), "one epoch of 50 images does not end");
        let variables = std::fs::read(&environment).unwrap_or_default();
        found |= variables.split(|&byte| byte == 0).any(|variable| variable == b"GOMP_SPINCOUNT=1000");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    found
}

#[cfg(target_os = "linux")]
#[test]
fn several_threads_spin_shortly_unless_the_user_decides() {
    let place = Workplace::new();
    cifar10(&place, "data", 5, 1);
    assert!(restarts(&place, 2, None));
    assert!(!restarts(&place, 2, Some(("OMP_WAIT_POLICY", "passive"))));
    assert!(!restarts(&place, 1, None));
}

#[test]
fn every_loss_trains_and_its_head_is_dumped_as_what_it_is() {
    let place = Workplace::new();
    cifar10(&place, "data", 5, 1);
    for (loss, kind) in [("ce", "linear"), ("ce-drw", "linear"), ("ldam-drw", "cosine"), ("bs", "linear")] {
        place.ok(&format!(
            "{TRAIN} --threads 1 --preset table3-{loss} --lr 0.01 --epochs 2 --warm-up 1 --out base-{loss}"
        ));
        place.ok(&format!(
            "dump --checkpoint base-{loss} --dataset cifar10 --data data --device cpu --threads 1 --out cache-{loss}"
        ));
        let head = std::fs::read(place.path(&format!("cache-{loss}/stage1_head.safetensors"))).unwrap();
        let expected = format!("\"kind\":\"{kind}\"");
        assert!(head.windows(expected.len()).any(|window| window == expected.as_bytes()), "{loss}");
        let manifest = std::fs::read_to_string(place.path(&format!("cache-{loss}/manifest.json"))).unwrap();
        assert!(manifest.contains(&format!("\"loss\": \"{loss}\"")), "{manifest}");
    }
}

#[test]
fn settings_that_do_not_exist_or_change_nothing_are_refused() {
    let place = Workplace::new();
    let refused = |more: &str| place.refused(&format!("{TRAIN} --out base {more}"));
    let all = [
        "--loss ldam",
        "--preset table3",
        "--schedule cosin",
        "--schedule step --milestones 0.5,1.5",
        "--schedule step --factor 0",
        "--milestones 0.5",
        "--scale 16",
        "--loss bs --drw-start 0.5",
        "--loss ce-drw --drw-start 1.5",
        "--loss ce-drw --drw-beta 1",
        "--loss ldam-drw --max-margin=-1",
        "--loss ldam-drw --scale 0",
        "--epochs 5 --warm-up 5",
        "--preset table3-ce --lr nan",
        "--epochs 0",
        "--accumulate 9",
        "--momentum 1",
        "--weight-decay=-1",
    ]
    .map(refused)
    .join("\n\n");
    insta::assert_snapshot!(all, @"
    exit 2
    error: unknown loss `ldam`: known are ce, ce-drw, ldam-drw, bs
    hint: did you mean `ldam-drw`?

    exit 2
    error: unknown preset `table3`: known are ltwb-cifar100, table3-ce, table3-ce-drw, table3-ldam-drw, table3-bs, imagenet-lt, inaturalist18
    hint: did you mean `table3-ce`?

    exit 2
    error: unknown schedule `cosin`: known are cosine, step, constant
    hint: did you mean `cosine`?

    exit 2
    error: `--milestones`: expected fractions of the epochs, 0 to 1, got 1.5

    exit 2
    error: `--factor`: expected a positive number, got 0

    exit 2
    error: `--milestones`: expected `--schedule step`, got `--schedule cosine`
    hint: leave it out: it would change nothing

    exit 2
    error: `--scale`: expected `--loss ldam-drw`, got `--loss ce`
    hint: leave it out: it would change nothing

    exit 2
    error: `--drw-start`: expected `--loss ce-drw` or `ldam-drw`, got `--loss bs`
    hint: leave it out: it would change nothing

    exit 2
    error: `--drw-start`: expected a fraction of the epochs, 0 to 1, got 1.5

    exit 2
    error: `--drw-beta`: expected at least 0 and below 1, got 1

    exit 2
    error: `--max-margin`: expected a number that is not negative, got -1

    exit 2
    error: `--scale`: expected a positive number, got 0

    exit 2
    error: `--warm-up`: expected fewer epochs than the 5 of --epochs, got 5

    exit 2
    error: `--lr`: expected a positive number, got NaN

    exit 2
    error: `--epochs`: expected at least 1, got 0

    exit 2
    error: `--accumulate`: expected 1 to 8, for parts of two images at least, got 9

    exit 2
    error: `--momentum`: expected at least 0 and below 1, got 1

    exit 2
    error: `--weight-decay`: expected a number that is not negative, got -1
    ");
    assert!(!place.path("base").exists());
}

#[test]
fn presets_are_listed_and_shown() {
    let place = Workplace::new();
    insta::assert_snapshot!(place.ok("presets").stdout, @"
    ltwb-cifar100    the paper's backbone on CIFAR-100-LT: cross-entropy with LTWB's weight decay
    table3-ce        the CE backbone of the paper's Table 3
    table3-ce-drw    its CE-DRW backbone
    table3-ldam-drw  its LDAM-DRW backbone
    table3-bs        its Balanced Softmax backbone
    imagenet-lt      the paper's ResNeXt-50 on ImageNet-LT
    inaturalist18    the paper's ResNet-50 on iNaturalist 2018
    ");
    let shown = place.ok("presets table3-ldam-drw").stdout;
    assert!(shown.contains("loss = \"ldam-drw\"") && shown.ends_with("scale = 30.0\n"), "{shown}");
    insta::assert_snapshot!(place.refused("presets table-3"), @"
    exit 2
    error: unknown preset `table-3`: known are ltwb-cifar100, table3-ce, table3-ce-drw, table3-ldam-drw, table3-bs, imagenet-lt, inaturalist18
    hint: did you mean `table3-ce`?
    ");
}

#[test]
fn several_seeds_get_a_checkpoint_each_and_go_on_after_a_stop() {
    let place = Workplace::new();
    cifar10(&place, "data", 5, 1);
    place.ok(&format!("{TRAIN} --threads 1 --epochs 1 --accumulate 4 --seed 1 --out alone"));
    let line = format!("{TRAIN} --threads 1 --epochs 1 --accumulate 4 --out base --seeds");
    place.ok(&format!("{line} 0"));
    let both = place.ok(&format!("{line} 0,1")).stderr;
    assert!(both.contains("was finished before: 1 epochs in `base/seed-0`"), "{both}");
    // The weights of the run alone; the checkpoints differ in the seconds that their logs hold.
    let dump = |checkpoint: &str, out: &str| {
        place.ok(&format!(
            "dump --checkpoint {checkpoint} --dataset cifar10 --data data --device cpu --threads 1 --out {out}"
        ));
        std::fs::read(place.path(&format!("{out}/stage1_head.safetensors"))).unwrap()
    };
    assert!(dump("alone", "cache-alone") == dump("base/seed-1", "cache-1"));
    assert!(dump("base/seed-0", "cache-0") != dump("base/seed-1", "cache-1"));
    insta::assert_snapshot!(
        place.refused("dump --checkpoint base --dataset cifar10 --data data --device cpu --threads 1 --out cache"),
        @"
    exit 2
    error: `base/checkpoint.safetensors` not found: expected the checkpoint of a stage-1 run
    hint: it holds checkpoints of several seeds: give one of `base/seed-0`, `base/seed-1`
    "
    );
}

#[test]
fn a_checkpoint_goes_nowhere_but_to_an_empty_folder_or_one_of_its_own() {
    let place = Workplace::new();
    cifar10(&place, "data", 5, 1);
    place.write("file", "mine");
    place.write("home/thesis.tex", "do not touch");
    place.write("seeds/seed-1/thesis.tex", "do not touch");
    let line = |out: &str| format!("{TRAIN} --threads 1 --epochs 1 {out}");
    let before = files(&place.path("."));
    insta::assert_snapshot!(place.refused(&line("--out /dev/null")), @"
    exit 2
    error: `/dev/null`: expected a folder, got a device
    hint: give a path where nothing is yet
    ");
    insta::assert_snapshot!(place.refused(&line("--out file --seeds 0,1")), @"
    exit 2
    error: `file`: expected a folder, got a file
    hint: give a path where nothing is yet
    ");
    insta::assert_snapshot!(place.refused(&line("--out home")), @"
    exit 2
    error: `home`: expected a checkpoint, or a folder with nothing in it, got a folder with `thesis.tex` and without a checkpoint
    hint: give a path where nothing is yet
    ");
    insta::assert_snapshot!(place.refused(&line("--out seeds --seeds 0,1")), @"
    exit 2
    error: `seeds/seed-1`: expected a checkpoint, or a folder with nothing in it, got a folder with `thesis.tex` and without a checkpoint
    hint: give a path where nothing is yet
    ");
    place.write("cache.checkpoint/thesis.tex", "do not touch");
    let first =
        line("--out cache").replace("train --", "dump --").replace("--batch-size", "--train-batch-size");
    let message = place.refused(&first);
    assert!(message.contains("`cache.checkpoint`: expected a checkpoint"), "{message}");
    std::fs::remove_dir_all(place.path("cache.checkpoint")).unwrap();
    assert_eq!(files(&place.path(".")), before);
    // What a killed run leaves before its first checkpoint, or a folder that a scheduler made.
    std::fs::create_dir(place.path("made")).unwrap();
    place.write("made/.longtail-abcdefghijkl.tmp", "half");
    place.ok(&line("--out made"));
}
