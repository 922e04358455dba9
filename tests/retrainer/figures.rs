//! `retrainer report --figure`: every figure from records written by the library.

use cache::{ClassCounts, ClassId, FeatureCache, synthetic::SyntheticCache};
use experiment::{
    metrics::{ECE, Evaluation, Metric, MetricValues, Metrics, TOP1},
    protocol::{Chooser, HeldOut, Protocol, Score, Unseen},
    records::{
        Curve, FORMAT_VERSION, Params, RunRecord, RunWriter, SealedPerClass, StateMetrics, Status, Versions,
        keep_manifest, run_id,
    },
    report::figures::FIGURES,
};
use resvg::tiny_skia::Pixmap;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const COUNTS: [u64; 6] = [500, 200, 80, 40, 10, 5];

/// Logits whose positives stand out by `magnitude`, and less so from class to class by `tilt`.
fn measure(magnitude: f32, tilt: f32) -> Metrics {
    let mut evaluation = Evaluation::new(&ClassCounts::new(COUNTS.to_vec()).unwrap());
    for sample in 0..240_u16 {
        let label = sample % 6;
        let noise = |k: u16| f32::from((sample * 31 + k * 17) % 23) / 11.0 - 1.0;
        let own = magnitude - tilt * f32::from(label);
        let row: Vec<f32> = (0..6).map(|k| noise(k) + if k == label { own } else { 0.0 }).collect();
        evaluation.update(&row, &[ClassId(label.into())]).unwrap();
    }
    evaluation.set_weight_norms(&[3.0, 2.5, 2.0, 1.5, 1.0, 1.0 + f64::from(tilt)]).unwrap();
    let mut metrics = evaluation.finish();
    metrics.per_class.confusions = Some(evaluation.confusions().unwrap().pack().unwrap());
    metrics
}

fn state(epoch: u32, val: Option<f64>, test: MetricValues) -> StateMetrics {
    let val = val.map(|top1| (Score::Top1, top1)).into_iter().collect();
    StateMetrics { epoch, val, test: Unseen::new(test) }
}

fn top1_on(split: HeldOut) -> Chooser {
    Chooser { split, score: Score::Top1 }
}

/// A run that validation stopped after three of four epochs, with the same metrics after both.
fn record(method: &str, params: &str, seed: u64, metrics: Metrics) -> RunRecord {
    record_of("cache", method, params, seed, metrics)
}

fn record_of(cache: &str, method: &str, params: &str, seed: u64, metrics: Metrics) -> RunRecord {
    let params: Params = serde_json::from_str(params).unwrap();
    let val = metrics.values.get(TOP1.all);
    let (chosen, last) = (state(3, val, metrics.values), state(4, val, metrics.values));
    let top1 = val.unwrap();
    RunRecord {
        run_id: run_id(cache, method, &params, seed, "f32"),
        cache_key: cache.to_owned(),
        cache: "caches/demo".to_owned(),
        method: method.to_owned(),
        params,
        seed,
        status: Status::Ok,
        added: None,
        diverged_at: None,
        metrics: [(Protocol::Val, chosen), (Protocol::Last, last)].into(),
        per_class: Some(metrics.per_class.clone().into()),
        per_class_at: [(3, SealedPerClass::from(metrics.per_class).packed())].into(),
        curve: Curve::new(
            &[
                (top1_on(HeldOut::Val), vec![0.1, 0.3, top1, 0.2]),
                (top1_on(HeldOut::Test), vec![0.1, 0.2, 0.9 * top1, top1]),
            ]
            .into(),
        ),
        seconds: 0.25,
        versions: Versions {
            retrainer: "0".to_owned(),
            torch: "0".to_owned(),
            commit: "0".to_owned(),
            format: FORMAT_VERSION,
        },
        device: "cpu".to_owned(),
        precision: "f32".to_owned(),
    }
}

/// Two seeds of three methods; LORT over label-smooth value, learning rate and weight decay.
pub fn write(runs: &Path) {
    let mut writer = RunWriter::create(runs).unwrap();
    for seed in [0_u8, 1] {
        let jitter = f32::from(seed) / 20.0;
        for (method, tilt) in [("stage1", 0.5), ("ce", 0.4)] {
            writer.append(&record(method, "{}", seed.into(), measure(2.0 + jitter, tilt))).unwrap();
        }
        for (index, delta) in ["0.0", "0.5", "0.9", "0.98", "0.99"].into_iter().enumerate() {
            for (lr, decay) in [("0.001", "0"), ("0.001", "0.1"), ("0.01", "0"), ("0.01", "0.1")] {
                let params = format!(r#"{{"delta":{delta},"lr":{lr},"weight_decay":{decay}}}"#);
                let tilt = 0.3 - 0.05 * index as f32;
                writer.append(&record("lort", &params, seed.into(), measure(1.5 + jitter, tilt))).unwrap();
            }
        }
    }
    writer.finish().unwrap();
    keep(runs, "cache", &COUNTS);
}

fn keep(runs: &Path, cache_key: &str, class_counts: &[u64]) {
    let cache = runs.with_extension(cache_key);
    SyntheticCache { class_counts: class_counts.to_vec(), ..SyntheticCache::default() }
        .write(&cache)
        .unwrap();
    keep_manifest(runs, cache_key, FeatureCache::open(&cache).unwrap().manifest()).unwrap();
}

fn report(runs: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_retrainer")).arg("report").arg(runs).args(arguments).output().unwrap()
}

fn draw(runs: &Path, name: &str) -> String {
    let output = report(runs, &["--figure", name]);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_figure_is_whole_accessible_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    write(&runs);
    let mut structure = String::new();
    for figure in FIGURES {
        let svg = draw(&runs, figure.name);
        assert_eq!(svg, draw(&runs, figure.name), "{}", figure.name);
        for bad in ["NaN", "inf", "-0\"", "<text></text>"] {
            assert!(!svg.contains(bad), "{} has {bad}", figure.name);
        }
        assert!(svg.contains("role=\"img\"") && svg.contains("<desc id="), "{}", figure.name);
        let count = |text: &str| svg.matches(text).count();
        let (lines, areas) = (count("<path"), count("Z\"/>"));
        structure += &format!(
            "{}: {lines} paths ({areas} areas), {} circles, {} rectangles, {} tips\n",
            figure.name,
            count("<circle"),
            count("<rect"),
            count("<title>"),
        );
    }
    insta::assert_snapshot!(structure);
}

#[test]
fn the_curve_over_the_label_smooth_value_says_means_and_marks_the_published_one() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    write(&runs);
    let svg = draw(&runs, "fig4");
    assert_eq!(svg.matches("<circle").count(), 4 * 5, "four groups, five values");
    assert!(svg.contains("published δ = 0.98") && svg.contains("over 2 seeds"), "{svg}");
}

#[test]
fn a_grid_of_one_label_smooth_value_alone_does_not_lift_its_point_of_the_curve() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    write(&runs);
    let before = draw(&runs, "fig4");
    let mut writer = RunWriter::create(&runs).unwrap();
    for seed in [0, 1] {
        let params = r#"{"delta":0.9,"lr":0.1,"weight_decay":0}"#;
        writer.append(&record("lort", params, seed, measure(9.0, 0.0))).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(draw(&runs, "fig4"), before);
}

/// The labels of the vertical scale of every panel.
fn vertical_labels(svg: &str) -> Vec<Vec<&str>> {
    let mut panels = Vec::new();
    for line in svg.lines() {
        if line.contains("class=\"heading\"") {
            panels.push(Vec::new());
        } else if line.contains("class=\"muted\"") && line.contains("text-anchor=\"end\"") {
            let label = line.rsplit_once("</text>").unwrap().0.rsplit_once('>').unwrap().1;
            panels.last_mut().unwrap().push(label);
        }
    }
    panels
}

#[test]
fn panels_over_classes_share_one_scale_and_say_how_much_methods_differ() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    write(&runs);
    for (name, axis) in [("fig2a", ">M / mean<"), ("fig2b", ">R<")] {
        let svg = draw(&runs, name);
        let labels = vertical_labels(&svg);
        assert_eq!(labels.len(), 3);
        assert!(labels.iter().all(|panel| *panel == labels[0]), "{name}: {labels:?}");
        assert!(svg.contains("all of one scale") && svg.contains(axis), "{name}: {svg}");
    }
    let regularized = draw(&runs, "fig2b");
    assert!(regularized.contains("and differs between the 3 methods by "), "{regularized}");
}

#[test]
fn training_curves_show_both_splits_and_the_epochs_that_validation_chose() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    write(&runs);
    let svg = draw(&runs, "training-curves");
    for (class, count) in [("thin s0", 3), ("thin s1", 3), ("band s0", 3), ("band s1", 3)] {
        assert_eq!(svg.matches(&format!("class=\"{class}\"")).count(), count, "{class}: {svg}");
    }
    assert_eq!(svg.matches("<circle").count(), 3 * 2 * 2, "methods, seeds, splits");
    assert!(svg.contains("ce, seed 1: epoch 3, validation "), "{svg}");
    // After the last epoch there is nothing that was chosen.
    let output = report(&runs, &["--figure", "training-curves", "--select", "last"]);
    let svg = String::from_utf8(output.stdout).unwrap();
    assert_eq!((svg.matches("<circle").count(), svg.matches("thin s0").count()), (0, 2), "{svg}");
}

#[test]
fn figures_show_the_long_tailed_cache_name_it_and_compare_it_with_the_balanced_one() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    write(&runs);
    let alone = draw(&runs, "fig3");
    // Its key is the first of both.
    let mut writer = RunWriter::create(&runs).unwrap();
    for method in ["stage1", "ce"] {
        writer.append(&record_of("balanced", method, "{}", 0, measure(3.0, 0.0))).unwrap();
    }
    writer.finish().unwrap();
    keep(&runs, "balanced", &[40; 6]);
    for figure in FIGURES {
        assert!(draw(&runs, figure.name).contains("imbalance ratio 100, "), "{}", figure.name);
    }
    let svg = draw(&runs, "fig3");
    let circles = |svg: &str, series: usize| svg.matches(&format!("class=\"dot s{series}\"")).count();
    // Two of the three methods have a balanced counterpart of six classes.
    assert_eq!((circles(&alone, 3), circles(&svg, 3)), (0, 12));
    assert_eq!(
        [0, 1, 2].map(|series| circles(&svg, series)),
        [0, 1, 2].map(|series| circles(&alone, series))
    );
    assert!(
        svg.contains("Beside them the classes of balanced data, ") && svg.contains("imbalance ratio 1, ")
    );
    assert!(svg.contains("balanced 0."), "{svg}");
    assert!(alone.contains("Head and tail of one imbalanced data set"), "{alone}");
}

/// Three methods whose chosen epoch is better than their last one; `old` records keep per-class numbers of the last alone.
fn write_two_states(runs: &Path, old: bool) -> [Metrics; 2] {
    let (chosen, last) = (measure(2.0, 0.2), measure(0.5, 0.1));
    let mut writer = RunWriter::create(runs).unwrap();
    for method in ["stage1", "ce", "lort"] {
        let mut record = record(method, "{}", 0, chosen.clone());
        record.metrics.insert(Protocol::Last, state(4, Some(0.1), last.values));
        record.per_class = Some(last.per_class.clone().into());
        if old {
            record.per_class_at.clear();
        }
        writer.append(&record).unwrap();
    }
    writer.finish().unwrap();
    keep(runs, "cache", &COUNTS);
    [chosen, last]
}

#[test]
fn a_figure_shows_the_state_whose_number_it_names() {
    let folder = tempfile::tempdir().unwrap();
    for old in [false, true] {
        let runs = folder.path().join(if old { "old" } else { "new" });
        let [chosen, last] = write_two_states(&runs, old);
        let (shown, other) = if old { (&last, &chosen) } else { (&chosen, &last) };
        let percent =
            |metrics: &Metrics, metric: Metric| format!("{:.1}", 100.0 * metrics.values.get(metric).unwrap());
        assert_ne!(percent(shown, TOP1.all), percent(other, TOP1.all));
        for name in ["fig1", "fig2a", "fig2b", "fig3", "class-size", "reliability"] {
            let svg = draw(&runs, name);
            assert!(svg.contains(&format!("lort  {}", percent(shown, TOP1.all))), "{name}: {svg}");
            assert!(!svg.contains(&format!("lort  {}", percent(other, TOP1.all))), "{name}: {svg}");
            let state = if old {
                "after the last epoch and with its accuracy, since"
            } else {
                "at the chosen epoch; "
            };
            assert!(svg.contains(state), "{name}: {svg}");
            let foot = if old {
                "numbers and data after the last epoch<"
            } else {
                "numbers and data at the epoch chosen by val<"
            };
            assert!(svg.contains(foot), "{name}: {svg}");
        }
        // The data too: calibration, accuracy of the first class, the place of a method.
        let reliability = draw(&runs, "reliability");
        assert!(reliability.contains(&format!("ECE {} %", percent(shown, ECE))), "{reliability}");
        let first = 100.0 * shown_accuracy(shown);
        assert!(draw(&runs, "class-size").contains(&format!("class 0 (500 training samples): {first:.1} %")));
        let predictors = draw(&runs, "predictors");
        let top1 = 100.0 * shown.values.get(TOP1.all).unwrap();
        assert!(predictors.contains(&format!("accuracy {top1:.2} %")), "{predictors}");
        // With the last epoch asked for, both are the same.
        let output = report(&runs, &["--figure", "reliability", "--select", "last"]);
        let svg = String::from_utf8(output.stdout).unwrap();
        assert!(svg.contains(&format!("ECE {} %", percent(&last, ECE))), "{svg}");
        assert!(svg.contains("after the last epoch; last epoch of every grid point"), "{svg}");
    }
}

#[test]
fn headings_of_panels_are_whole_and_seeds_are_those_of_the_drawn_results() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(folder.path()).unwrap();
    for method in ["stage1", "balanced-softmax", "lort"] {
        writer.append(&record(method, "{}", 0, measure(1.0, 0.2))).unwrap();
    }
    // Two grid points of which the last epoch chooses none: they are not drawn.
    for (params, seed) in [(r#"{"lr":0.1}"#, 0), (r#"{"lr":0.1}"#, 1), (r#"{"lr":0.2}"#, 0)] {
        writer.append(&record("ce", params, seed, measure(1.0, 0.2))).unwrap();
    }
    writer.finish().unwrap();
    keep(folder.path(), "cache", &COUNTS);
    let svg = |name: &str| {
        let output = report(folder.path(), &["--figure", name, "--select", "last"]);
        String::from_utf8(output.stdout).unwrap()
    };
    let (predictors, reliability) = (svg("predictors"), svg("reliability"));
    for (figure, heading) in [
        (&predictors, ">weight norm:  r = "),
        (&predictors, ">Logits Magnitude:  r = "),
        (&reliability, ">balanced-softmax  "),
        (&reliability, ">ECE "),
    ] {
        assert!(figure.contains(heading), "{heading}: {figure}");
    }
    for figure in [&predictors, &reliability] {
        assert!(!figure.contains('…') && figure.contains("; 1 seed; cache "), "{figure}");
    }
}

fn shown_accuracy(metrics: &Metrics) -> f32 {
    metrics.per_class.accuracy[0].unwrap()
}

#[test]
fn per_class_numbers_of_another_state_are_left_out_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let [_, last] = write_two_states(&runs, false);
    let mut wrong = record("focal", "{}", 0, measure(2.0, 0.3));
    wrong.per_class_at = [(3, last.per_class.into())].into();
    let mut writer = RunWriter::create(&runs).unwrap();
    writer.append(&wrong).unwrap();
    writer.finish().unwrap();
    let output = report(&runs, &["--figure", "fig2a"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let warning = format!(
        "warning: per-class numbers of run {} are left out: the per-class accuracies have accuracy ",
        wrong.run_id
    );
    assert!(stderr.contains(&warning), "{stderr}");
}

#[test]
fn spans_with_an_epoch_chosen_for_each_point_stand_beside_those_of_the_last_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let mut writer = RunWriter::create(&runs).unwrap();
    for (index, delta) in ["0.9", "0.98", "0.99"].into_iter().enumerate() {
        for (lr, decay) in [("0.001", "0"), ("0.001", "0.1"), ("0.01", "0"), ("0.01", "0.1")] {
            let params = format!(r#"{{"delta":{delta},"lr":{lr},"weight_decay":{decay}}}"#);
            let mut record = record("lort", &params, 0, measure(2.0, 0.2));
            let last = measure(0.5 + index as f32, 0.1);
            record.metrics.insert(Protocol::Last, state(4, Some(0.1), last.values));
            writer.append(&record).unwrap();
        }
    }
    writer.finish().unwrap();
    keep(&runs, "cache", &COUNTS);
    let percent = |metrics: &Metrics| format!("{:.1}", 100.0 * metrics.values.get(TOP1.all).unwrap());
    let (chosen, low, middle, high) =
        (measure(2.0, 0.2), measure(0.5, 0.1), measure(1.5, 0.1), measure(2.5, 0.1));
    let expected = format!(
        "4 cells between {0} and {0} % with an epoch chosen for each, between {1} and {1} % after the last epoch;",
        percent(&chosen),
        percent(&middle)
    );
    let svg = draw(&runs, "fig5");
    assert!(svg.contains(&expected), "{expected}: {svg}");
    let expected =
        format!("chosen for each, between {} and {} % after the last epoch;", percent(&low), percent(&high));
    let svg = draw(&runs, "fig4");
    assert!(svg.contains(&expected), "{expected}: {svg}");
    // Where no epoch is chosen there is nothing to say.
    let svg = String::from_utf8(report(&runs, &["--figure", "fig5", "--select", "last"]).stdout).unwrap();
    assert!(!svg.contains("with an epoch chosen"), "{svg}");
}

#[test]
fn a_figure_is_written_as_png_on_white_at_twice_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, out) = (folder.path().join("runs"), folder.path().join("fig5.png"));
    write(&runs);
    let arguments = ["--figure", "fig5", "--out", out.to_str().unwrap()];
    assert!(report(&runs, &arguments).status.success());
    let bytes = fs::read(&out).unwrap();
    let image = Pixmap::decode_png(&bytes).unwrap();
    let svg = draw(&runs, "fig5");
    let size = |name: &str| -> f32 {
        let (_, rest) = svg.split_once(&format!(" {name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.parse().unwrap()
    };
    assert_eq!((image.width() as f32, image.height() as f32), (2.0 * size("width"), 2.0 * size("height")));
    let white = |pixel: &&resvg::tiny_skia::PremultipliedColorU8| {
        (pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()) == (255, 255, 255, 255)
    };
    assert!(image.pixels().first().is_some_and(|pixel| white(&pixel)));
    // Cells of 72 × 34 pixels fill a good part of the drawing, and text is drawn beside them.
    let drawn = image.pixels().iter().filter(|pixel| !white(pixel)).count() as f64;
    assert!((0.15..0.9).contains(&(drawn / image.pixels().len() as f64)));
    assert!(report(&runs, &arguments).status.success());
    assert_eq!(fs::read(&out).unwrap(), bytes);
}

#[test]
fn a_figure_that_the_runs_cannot_fill_is_an_error_with_a_hint_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, out) = (folder.path().join("runs"), folder.path().join("figure.svg"));
    let mut writer = RunWriter::create(&runs).unwrap();
    let mut old = record("ce", "{}", 0, measure(2.0, 0.1));
    (old.per_class, old.curve) = (None, None);
    old.per_class_at.clear();
    writer.append(&old).unwrap();
    writer.finish().unwrap();
    for figure in FIGURES {
        let output = report(&runs, &["--figure", figure.name, "--out", out.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{}", figure.name);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(&format!("error: no figure `{}` of these runs", figure.name)), "{stderr}");
        assert!(stderr.contains("hint: sweep the methods"), "{stderr}");
        assert!(!out.exists());
    }
    let output = report(&runs, &["--figure", "fig4", "--out", folder.path().join("a.jpg").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: end it in `.svg` or `.png`"));
}
